"""The HTTP application, put together in one place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig

from app import auth, tracing
from app.api import (
    api_keys,
    assessments,
    bulk_requests,
    calibrations,
    checks,
    consumers,
    datasets,
    deletion_requests,
    derived,
    drp,
    faces,
    guard,
    health,
    jobs,
    ledger,
    limits,
    metrics,
    model_actions,
    model_lines,
    openapi,
    opendsr,
    opendsr_refusals,
    problems,
    rate_headers,
    receipts,
    reports,
    request_actions,
    request_tokens,
    signatures,
    stored_weights,
    version_withdrawal,
    versions,
    webhook_log,
    webhooks,
    withdrawals,
    workers,
)
from app.config import Settings, settings
from app.db import connect, sessions_of
from app.observability import configure_logging
from app.queue import CeleryQueue, Queue
from app.store import Store

DESCRIPTION = """
Makes trained models forget people. Register a dataset and a model, submit a deletion request, poll
the job that carries it out, fetch the report. Refusals are RFC 9457 problem documents; every code
is explained under `/problems`.
"""
STREAMS = (
    "/samples",
    "/versions",
    "/deletion-requests:bulk",
)  # their bodies may be large, and are counted as they come


def create_app(config: Settings | None = None, queue: Queue | None = None) -> FastAPI:
    """The application for these settings; a queue of one's own is for tests."""
    config = config or settings()
    if why := auth.obstacle(config.access, config.host):
        raise ValueError(why)
    configure_logging()
    engine = connect(config.database_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(
        title="Lacuna",
        version=version("lacuna"),
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(guard.guard)],
        telemetry=telemetry(),
    )
    app.state.settings = config
    app.state.sessions = sessions_of(engine)
    # For what is counted whatever a route does: a statement there is a transaction.
    app.state.counting = engine.execution_options(isolation_level="AUTOCOMMIT")
    app.state.opendsr = faces.Opendsr.of(config)
    app.state.store = Store(config.store)
    app.state.queue = queue or CeleryQueue(config.redis_url)
    app.add_middleware(
        limits.BodyLimit,
        limit=config.max_body_bytes,
        upload=config.max_upload_bytes,
        streams=STREAMS,
    )
    app.add_middleware(opendsr_refusals.OpendsrRefusals, prefix=opendsr.router.prefix)
    app.add_middleware(rate_headers.RateHeaders)
    problems.install(app)
    openapi.install(app)
    for resource in (  # routes are tried in this order: the busiest come first
        deletion_requests,
        datasets,
        model_lines,
        model_actions,
        assessments,
        calibrations,
        checks,
        versions,
        version_withdrawal,
        stored_weights,
        signatures,
        derived,
        bulk_requests,
        request_actions,
        request_tokens,
        receipts,
        jobs,
        reports,
        ledger,
        withdrawals,
        opendsr,
        drp,
        webhooks,
        webhook_log,
        consumers,
        api_keys,
        workers,
        health,
        metrics,
        problems,
    ):
        app.include_router(resource.router)
    return app


def telemetry() -> TelemetryConfig:
    """FastAPI's own spans of requests, if anybody collects them; metrics and logs are ours."""
    return {
        "tracing": tracing.wanted(),
        "tracer_provider": tracing.provider(),
        "operation_spans": False,
        "metrics": False,
        "logs": False,
    }
