"""One trace from the call over Celery into the child, as a collector gets it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from tests.collector import Collector, Span, collecting
from tests.naming import names
from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import ask_for, finished, train_first_version

KNOWN = {
    *("http.request.method", "http.response.status_code", "http.route", "url.path", "url.query"),
    *("network.protocol.version", "server.address", "server.port", "url.scheme"),
    *("lacuna.job", "lacuna.model", "lacuna.webhook", "error.type"),
}


@pytest.fixture
def collector(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector of all of the stack's processes."""
    for name in list(stack.processes):
        stack.kill(name)
    with collecting(monkeypatch) as collector:
        stack.start_worker()
        stack.start_clerk_and_beat()
        stack.kill("beat")  # a sweep may batch before the bell is heard, in a trace of its own
        settings = stack.http.app.state.settings  # type: ignore[attr-defined]  # of our FastAPI
        with TestClient(create_app(settings)) as stack.http:
            yield collector


def children(spans: list[Span], parent: Span) -> list[str]:
    return sorted(span.name for span in spans if span.parent == parent.id)


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def carried_out(spans: list[Span]) -> set[str]:
    """The phases of jobs whose own spans are here too; other bells found nothing to run."""
    return {name for job in named(spans, "run_job") for name in children(spans, job)}


def test_a_request_is_followed_into_the_child_and_names_nobody(
    stack: Stack, collector: Collector
) -> None:
    train_first_version(stack, "traced", route="retrain")
    stack.http.get("/v1/models/traced/versions?saw_sample=writer-4711")
    (asked,) = ask_for(stack, "traced", 7)
    stack.until(lambda: finished(stack, asked))
    stack.until(lambda: {"child train", "child unlearn"} <= carried_out(collector.spans))

    spans = collector.spans
    (submitted,) = named(spans, "POST /v1/deletion-requests")
    (considered,) = [s for s in spans if s.parent == submitted.id]
    (ran,) = [s for s in spans if s.parent == considered.id]
    phases = ["child assess", "child audit", "child open", "child unlearn"]
    assert [considered.name, ran.name, *children(spans, ran)] == [
        *("consider_model", "run_job"),
        *phases,
    ]
    assert len({span.trace for span in (submitted, considered, ran)}) == 1
    (made,) = named(spans, "POST /v1/models")
    (trained,) = [s for s in spans if s.parent == made.id]
    assert children(spans, trained) == ["child open", "child train"]
    assert {key for span in spans for key in span.attributes} <= KNOWN
    assert not names(collector.text, "person-007")
    assert not names(collector.text, "writer-4711")
