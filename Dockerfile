# syntax=docker/dockerfile:1
# Two images: `api` holds no torch, `worker` does. Build one with: docker build --target api .

FROM python:3.11-slim AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1 \
    LACUNA_DATA_DIR=/var/lib/lacuna
RUN useradd --system --uid 10001 --home-dir /var/lib/lacuna --create-home lacuna
WORKDIR /src


FROM base AS api
# With no code beside it, this installs the dependencies alone: a layer that changes when they do.
COPY pyproject.toml README.md ./
RUN --mount=type=cache,target=/root/.cache/pip pip install '.[otel]'
COPY app app
COPY migrations migrations
COPY models models
COPY workers workers
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall .
# Receipts name the commit that an image was built from: --build-arg LACUNA_COMMIT=$(git rev-parse HEAD)
ARG LACUNA_COMMIT=""
ENV LACUNA_COMMIT=$LACUNA_COMMIT
USER lacuna
WORKDIR /var/lib/lacuna
ENV LACUNA_AUTH=required
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "uvicorn", "app.serving:serve", "--factory", "--host", "0.0.0.0", "--port", "8000", "--no-proxy-headers"]


FROM base AS worker
# For a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip pip install torch==2.13.0 --index-url "$TORCH_INDEX"
COPY pyproject.toml README.md ./
RUN --mount=type=cache,target=/root/.cache/pip pip install '.[worker,otel]'
COPY app app
COPY migrations migrations
COPY models models
COPY workers workers
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall .
# Receipts name the commit that an image was built from: --build-arg LACUNA_COMMIT=$(git rev-parse HEAD)
ARG LACUNA_COMMIT=""
ENV LACUNA_COMMIT=$LACUNA_COMMIT
USER lacuna
WORKDIR /var/lib/lacuna
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s CMD \
    ["sh", "-c", "python -m celery -A workers.celery_app inspect ping -d worker@$HOSTNAME"]
CMD ["python", "-m", "celery", "-A", "workers.celery_app", "worker", "-Q", "jobs", "--concurrency", "1", "-n", "worker@%h"]
