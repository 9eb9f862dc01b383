"""Sends spans to an OpenTelemetry collector; part of the extra `lacuna[otel]`."""

import os

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from app.tracing import WRITTEN_BY_CALLERS


class Discreet(SpanProcessor):
    """Blanks what FastAPI copies from requests: paths and queries may hold ids of people's."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for name in WRITTEN_BY_CALLERS:
            if name in (span.attributes or {}):
                span.set_attribute(name, "-")


def exporting() -> TracerProvider:
    """Spans go where OTEL_EXPORTER_OTLP_ENDPOINT says, in batches."""
    name = os.environ.get("OTEL_SERVICE_NAME", "lacuna")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(Discreet())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
