"""Parquet as a third form of a dataset's map; what it shares with the others is in test_imports."""

import io
import sys
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import parquet_rows
from app.api.parquet_rows import PARQUET
from app.ledger.tables import Sample
from tests.api.conftest import Call
from tests.factories import key_of, make_dataset

PATH = "/v1/datasets/faces/samples"
KIND = {"Content-Type": PARQUET}
ROWS = {"sample_id": ["a", "b"], "subject": ["ada", "ben"]}


@pytest.fixture(autouse=True)
def dataset(session: Session) -> None:
    make_dataset(session, people=[])


def parquet(columns: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


GOOD = parquet(ROWS)


def stored(session: Session) -> list[tuple[str | None, bytes]]:
    samples = session.scalars(select(Sample).order_by(Sample.ordinal))
    return [(sample.sample_id, sample.subject_key) for sample in samples]


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        parquet(ROWS, row_group_size=1, compression="zstd"),
        parquet({"more": [1, 2], **ROWS}),
        parquet({name: pa.array(cells, pa.large_string()) for name, cells in ROWS.items()}),
        parquet({name: pa.array(cells).dictionary_encode() for name, cells in ROWS.items()}),
    ],
    ids=["plain", "row groups", "more columns", "large strings", "dictionaries"],
)
def test_the_rows_of_a_file_become_samples_in_their_order(
    session: Session, http: TestClient, content: bytes
) -> None:
    answer = http.post(PATH, content=content, headers=KIND)

    assert answer.json() == {"new": 2, "known": 0, "forgotten": 0, "size": 2}
    assert stored(session) == [("a", key_of("ada")), ("b", key_of("ben"))]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"sample_id": ["a", "b"], "subject": ["ada", None]}, "line 2: subject must be a string"),
        ({"sample_id": [1], "subject": ["ada"]}, "line 1: sample_id must be a string"),
        ({"sample_id": [{"x": "a"}], "subject": ["ada"]}, "line 1: sample_id must be a string"),
        ({"sample_id": ["a"] * 20_000 + [""], "subject": ["ada"] * 20_001}, "line 20001: "),
        ({"sample_id": ["a"]}, "the file must have the columns sample_id, subject"),
        (
            {
                "sample_id": pa.Array.from_buffers(
                    pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
                ),
                "subject": ["ada"],
            },
            "line 1: not UTF-8",
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_imported(
    session: Session, refused: Call, columns: Any, told: str
) -> None:
    problem = refused("POST", PATH, 422, "bad_line", content=parquet(columns), headers=KIND)

    assert problem["detail"].startswith(told)
    assert stored(session) == []


def test_a_row_group_that_would_not_fit_is_refused_unread(
    session: Session, refused: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "LARGEST_GROUP", 10)

    problem = refused("POST", PATH, 422, "bad_line", content=GOOD, headers=KIND)

    assert "row group" in problem["detail"]
    assert stored(session) == []


def test_without_the_extra_it_says_what_to_install(
    refused: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    problem = refused("POST", PATH, 415, "parquet_not_installed", content=GOOD, headers=KIND)

    assert "lacuna[parquet]" in problem["detail"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=50).map(lambda middle: b"PAR1" + middle + b"PAR1"),
        st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]),
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
            lambda flip: GOOD[: flip[0]] + bytes([flip[1]]) + GOOD[flip[0] + 1 :]
        ),
    )
)
def test_no_file_makes_the_service_fail(session: Session, http: TestClient, content: bytes) -> None:
    """A flipped byte may still leave a file that can be read; it is not kept either way."""
    answer = http.post(f"{PATH}?validate_only=true", content=content, headers=KIND)

    assert answer.status_code in (200, 409, 422), answer.text
    assert stored(session) == []
