"""Traces over HTTP, Celery and the child, where somebody collects them.

Without OTEL_EXPORTER_OTLP_ENDPOINT, or without the extra `lacuna[otel]`, a span is OpenTelemetry's
own nothing. Spans name rows and routes, never people: what a caller wrote is not in them (I8).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Thread

import structlog
from opentelemetry.trace import NoOpTracerProvider, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log = structlog.get_logger()
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACEPARENT = "traceparent"  # of W3C Trace Context, in headers and in messages
OF_CHILD = "TRACEPARENT"  # the same in a process's environment
FLUSH = 2.0  # seconds; a collector that is away keeps no process from ending
WRITTEN_BY_CALLERS = ("url.path", "url.query")  # `http.route` says which it was, without them
PROPAGATOR = TraceContextTextMapPropagator()


def wanted() -> bool:
    """Whether the environment names a collector."""
    return any(os.environ.get(name) for name in ENDPOINTS)


@cache
def provider() -> TracerProvider:
    """Where this process's spans go; nowhere unless the environment names a collector."""
    if not wanted():
        return NoOpTracerProvider()
    try:
        # It brings the SDK along, which few installations have and none loads unasked.
        from app.exporting import exporting  # noqa: PLC0415
    except ModuleNotFoundError as error:
        log.warning("not_traced", missing=error.name, remedy="pip install 'lacuna[otel]'")
        return NoOpTracerProvider()
    return exporting()


@contextmanager
def span(name: str, *, within: str | None = None, **facts: str) -> Iterator[None]:
    """A span for as long as the block runs, below the one whose traceparent is given.

    Of an error it keeps the kind only: what it says may name samples.
    """
    parent = PROPAGATOR.extract({TRACEPARENT: within}) if within else None
    attributes = {f"lacuna.{key}": value for key, value in facts.items()}
    with (
        provider()
        .get_tracer("lacuna")
        .start_as_current_span(
            name,
            context=parent,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as current
    ):
        try:
            yield
        except Exception as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(StatusCode.ERROR)
            raise


def here() -> dict[str, str]:
    """The open span's traceparent, for a message that carries it on; empty outside of any."""
    carried: dict[str, str] = {}
    PROPAGATOR.inject(carried)
    return {TRACEPARENT: carried[TRACEPARENT]} if carried else {}


def inherited() -> dict[str, str]:
    """What a child process is given, to go on with the open span."""
    carried = here()
    return {OF_CHILD: carried[TRACEPARENT]} if carried else {}


def flush() -> None:
    """Send what has not been sent, before a process ends of which nobody will ask again."""
    if provider.cache_info().currsize and hasattr(provider(), "shutdown"):
        sending = Thread(target=provider().shutdown, daemon=True)  # type: ignore[attr-defined]
        sending.start()
        sending.join(FLUSH)
