import subprocess
import sys
from collections.abc import Iterator

import pytest

from app import tracing
from tests.collector import Collector, collecting
from tests.naming import names

BARE = """
import sys
{before}
from app import tracing
from app.main import create_app
from app.config import Settings
create_app(Settings(database_url="postgresql+psycopg:///unused"))
with tracing.span("x"):
    assert tracing.here() == tracing.inherited() == {{}}
assert "opentelemetry.sdk.trace" not in sys.modules, "it costs what nobody asked for"
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting(monkeypatch) as collector:
        yield collector


def python(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )


def test_without_a_collector_nothing_of_the_extra_is_loaded() -> None:
    assert python(BARE.format(before="")).stdout == ""


def test_without_the_extra_a_named_collector_is_warned_of_and_nothing_breaks() -> None:
    absent = "sys.modules['opentelemetry.sdk'] = None"

    told = python(BARE.format(before=absent), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")

    assert told.stdout.count('"event": "not_traced"') == 1
    assert "pip install 'lacuna[otel]'" in told.stdout


def test_a_message_carries_the_open_span_on(collector: Collector) -> None:
    with tracing.span("outer"):
        carried = tracing.here()[tracing.TRACEPARENT]
        child = tracing.inherited()[tracing.OF_CHILD]
    with tracing.span("inner", within=carried, job="1"):
        """Elsewhere."""
    tracing.flush()

    outer, inner = sorted(collector.spans, key=lambda span: span.name, reverse=True)
    assert child == carried
    assert carried.split("-")[:3] == ["00", outer.trace, outer.id]
    assert (inner.trace, inner.parent) == (outer.trace, outer.id)
    assert "lacuna.job" in inner.attributes


def fail_over(what: str) -> None:
    with tracing.span("step"):
        raise ValueError(what)


def test_a_span_tells_the_kind_of_an_error_and_not_what_it_says(collector: Collector) -> None:
    with pytest.raises(ValueError, match="sample ada-7 is unknown"):
        fail_over("sample ada-7 is unknown")
    tracing.flush()

    (failed,) = collector.spans
    assert "ValueError" in failed.attributes["error.type"]
    assert not names(collector.text, "ada-7")
