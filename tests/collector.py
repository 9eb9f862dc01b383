"""A collector of traces: a real HTTP server that takes OTLP, and what it was sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app import tracing
from tests.workers.receiver import Receiver, receiving


@dataclass(frozen=True)
class Span:
    """One span as it was sent."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Collector:
    """Where spans are to be sent, and those that came."""

    receiver: Receiver

    @property
    def environment(self) -> dict[str, str]:
        """What sends a process's spans here, soon after they end."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.receiver.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def text(self) -> str:
        """All that was sent, as it would be read by whoever has the collector."""
        return "".join(str(request) for request in self.requests())

    @property
    def spans(self) -> list[Span]:
        return [
            Span(
                service=next(
                    fact.value.string_value
                    for fact in resource.resource.attributes
                    if fact.key == "service.name"
                ),
                name=span.name,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                attributes={fact.key: str(fact.value) for fact in span.attributes},
            )
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def requests(self) -> Iterator[ExportTraceServiceRequest]:
        for heard in list(self.receiver.heard):
            assert heard.path == "/v1/traces"
            yield ExportTraceServiceRequest.FromString(heard.body)


@contextmanager
def collecting(patch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector to which this process sends its spans for as long as the block runs."""
    with receiving() as receiver:
        collector = Collector(receiver)
        for name, value in collector.environment.items():
            patch.setenv(name, value)
        tracing.provider.cache_clear()
        yield collector
        tracing.flush()
        tracing.provider.cache_clear()
