import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger.tables import Dataset, Sample
from tests.api.conftest import Call
from tests.factories import key_of, make_dataset
from tests.naming import names

NDJSON, CSV = "application/x-ndjson", "text/csv"
PATH = "/v1/datasets/faces/samples"


@pytest.fixture(autouse=True)
def dataset(session: Session) -> Dataset:
    return make_dataset(session, people=[])


def ndjson(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def row(sample_id: str, subject: str = "ada") -> dict[str, str]:
    return {"sample_id": sample_id, "subject": subject}


def send(http: TestClient, content: bytes, kind: str = NDJSON) -> Any:
    response = http.post(PATH, content=content, headers={"Content-Type": kind})
    assert response.status_code == 200, response.text
    return response.json()


def stored(session: Session) -> list[tuple[int, str | None, bytes]]:
    """Ordinal, id and subject of all samples."""
    samples = session.scalars(select(Sample).order_by(Sample.ordinal))
    return [(sample.ordinal, sample.sample_id, sample.subject_key) for sample in samples]


GOOD = {
    "ndjson": (NDJSON, ndjson(row("a"), row("b", "ben"))),
    "charset named": (f"{NDJSON}; charset=utf-8", ndjson(row("a"), row("b", "ben"))),
    "upper case type": (NDJSON.upper(), ndjson(row("a"), row("b", "ben"))),
    "byte order mark": (NDJSON, b"\xef\xbb\xbf" + ndjson(row("a"), row("b", "ben"))),
    "crlf": (NDJSON, ndjson(row("a"), row("b", "ben")).replace(b"\n", b"\r\n")),
    "blank lines": (NDJSON, b"\n" + ndjson(row("a")) + b"\n  \n" + ndjson(row("b", "ben")) + b"\n"),
    "no last line break": (NDJSON, ndjson(row("a"), row("b", "ben")).rstrip()),
    "more fields": (NDJSON, ndjson(row("a") | {"more": [1]}, row("b", "ben"))),
    "csv": (CSV, b"sample_id,subject\na,ada\nb,ben\n"),
    "csv with mark": (CSV, b"\xef\xbb\xbfsample_id,subject\na,ada\nb,ben"),
    "csv with crlf": (CSV, b"sample_id,subject\r\na,ada\r\nb,ben\r\n"),
    "csv with blank lines": (CSV, b"sample_id,subject\n\na,ada\n\nb,ben\n\n"),
    "csv with quotes": (CSV, b'subject,more,"sample_id"\n"ada","x, y",a\nben,,b\n'),
}


@pytest.mark.parametrize(("kind", "content"), GOOD.values(), ids=GOOD)
def test_the_lines_of_an_import_become_samples_in_their_order(
    session: Session, http: TestClient, kind: str, content: bytes
) -> None:
    done = send(http, content, kind)

    assert done == {"new": 2, "known": 0, "forgotten": 0, "size": 2}
    assert stored(session) == [(0, "a", key_of("ada")), (1, "b", key_of("ben"))]


def test_ids_may_hold_whatever_text_can(session: Session, http: TestClient) -> None:
    odd = ["a,b", 'a"b', "a\nb", "a\tb", "a\\N", "\\N", "ä\u2028", "🦆", " a "]

    send(http, ndjson(*(row(sample_id) for sample_id in odd)))

    assert [sample_id for _, sample_id, _ in stored(session)] == odd


def test_quoted_fields_of_csv_may_hold_line_breaks(session: Session, http: TestClient) -> None:
    send(http, b'sample_id,subject\r\n"a,""b""\r\nc","ada"\r\n', CSV)

    assert stored(session) == [(0, 'a,"b"\r\nc', key_of("ada"))]


def test_subjects_are_normalised_and_hashed(session: Session, http: TestClient) -> None:
    send(http, ndjson(row("a", " Ada@Example.ORG\u00a0"), row("b", "ada@example.org")))

    assert {key for _, _, key in stored(session)} == {key_of("ada@example.org")}


def test_an_import_may_be_repeated(session: Session, http: TestClient) -> None:
    lines = ndjson(row("a"), row("b", "ben"))
    send(http, lines)

    again = send(http, lines + ndjson(row("c")) + lines)

    assert again == {"new": 1, "known": 4, "forgotten": 0, "size": 3}
    assert [ordinal for ordinal, _, _ in stored(session)] == [0, 1, 2]


def test_an_empty_import_adds_nothing(http: TestClient) -> None:
    assert send(http, b"") == {"new": 0, "known": 0, "forgotten": 0, "size": 0}
    assert send(http, b"sample_id,subject\n", CSV) == {
        "new": 0,
        "known": 0,
        "forgotten": 0,
        "size": 0,
    }


def test_a_hundred_thousand_samples_come_in_one_go(http: TestClient, get: Call) -> None:
    lines = "".join(
        f'{{"sample_id": "img-{place}", "subject": "person-{place % 5000}"}}\n'
        for place in range(100_000)
    )

    done = send(http, lines.encode())

    assert done == {"new": 100_000, "known": 0, "forgotten": 0, "size": 100_000}
    assert get("/v1/datasets/faces")["subjects"] == 5000


BAD: dict[str, tuple[str, bytes, int]] = {
    "not json": (NDJSON, ndjson(row("a")) + b"{not json}\n", 2),
    "a list": (NDJSON, ndjson(row("a")) + b"[1]\n", 2),
    "null": (NDJSON, ndjson(row("a")) + b"null\n", 2),
    "too deep": (NDJSON, ndjson(row("a")) + b"[" * 100_000 + b"\n", 2),
    "too many digits": (NDJSON, ndjson(row("a")) + b"9" * 10_000 + b"\n", 2),
    "no subject": (NDJSON, ndjson({"sample_id": "a"}), 1),
    "no sample": (NDJSON, ndjson({"subject": "ada"}), 1),
    "number for sample": (NDJSON, ndjson({"sample_id": 7, "subject": "ada"}), 1),
    "number for subject": (NDJSON, ndjson({"sample_id": "a", "subject": 7}), 1),
    "null for subject": (NDJSON, ndjson({"sample_id": "a", "subject": None}), 1),
    "empty sample": (NDJSON, ndjson(row("")), 1),
    "long sample": (NDJSON, ndjson(row("a" * 513)), 1),
    "nul in sample": (NDJSON, ndjson(row("a\0b")), 1),
    "half a pair in sample": (NDJSON, ndjson(row("a\ud800")), 1),
    "half a pair in subject": (NDJSON, ndjson(row("a", "ada\udfff")), 1),
    "blank subject": (NDJSON, ndjson(row("a", "  ")), 1),
    "long subject": (NDJSON, ndjson(row("a", "a" * 513)), 1),
    "subject long when normal": (NDJSON, ndjson(row("a", "\ufdfa" * 512)), 1),
    "csv without header": (CSV, b"", 1),
    "csv with another header": (CSV, b"sample,subject\na,ada\n", 1),
    "csv with broken header": (CSV, b'"sample_id,subject\na,ada\n', 2),
    "csv with short line": (CSV, b"sample_id,subject\na\n", 2),
    "csv with loose quote": (CSV, b'sample_id,subject\na,ada\n"b"x,ada\n', 3),
    "nul in csv": (CSV, b"sample_id,subject\na\0,ada\n", 2),
    "csv with huge field": (CSV, b"sample_id,subject\n" + b"a" * 200_000 + b",ada\n", 2),
}


@pytest.mark.parametrize(("kind", "content", "line"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_nothing_is_imported(
    session: Session, refused: Call, kind: str, content: bytes, line: int
) -> None:
    problem = refused(
        "POST", PATH, 422, "bad_line", content=content, headers={"Content-Type": kind}
    )

    assert problem["detail"].startswith(f"line {line}: ")
    assert [place["pointer"] for place in problem["errors"]] == [f"/{line}"]
    assert stored(session) == []


@pytest.mark.parametrize("kind", [NDJSON, CSV])
def test_bytes_that_are_no_text_are_refused(session: Session, refused: Call, kind: str) -> None:
    content = b"sample_id,subject\n" * 10_000 + b"\xff\xfe" if kind == CSV else b'{"\xff": 1}\n'

    refused("POST", PATH, 422, "bad_line", content=content, headers={"Content-Type": kind})

    assert stored(session) == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "text/csvx"])
def test_another_media_type_is_refused(refused: Call, kind: str) -> None:
    headers = {"Content-Type": kind}

    problem = refused("POST", PATH, 415, "unsupported_media_type", content=b"", headers=headers)

    assert NDJSON in problem["detail"]


def test_an_unknown_dataset_takes_no_samples(refused: Call) -> None:
    headers = {"Content-Type": NDJSON}

    refused("POST", "/v1/datasets/x/samples", 404, "unknown_dataset", content=b"", headers=headers)


def test_a_sample_that_is_another_subjects_is_refused_by_line(
    session: Session, http: TestClient, refused: Call
) -> None:
    send(http, ndjson(row("a"), row("b", "ben")))
    lines = ndjson(row("new"), row("b", "ada"), row("a"), row("c"), row("c", "ben"))

    problem = refused(
        "POST", PATH, 409, "subject_differs", content=lines, headers={"Content-Type": NDJSON}
    )

    assert [place["pointer"] for place in problem["errors"]] == ["/2", "/5"]
    assert [sample_id for _, sample_id, _ in stored(session)] == ["a", "b"]
    assert not names(json.dumps(problem), "ada")


def test_at_most_twenty_lines_are_named(http: TestClient, refused: Call) -> None:
    send(http, ndjson(*(row(f"s-{place}") for place in range(30))))
    lines = ndjson(*(row(f"s-{place}", "ben") for place in range(30)))

    problem = refused(
        "POST", PATH, 409, "subject_differs", content=lines, headers={"Content-Type": NDJSON}
    )

    assert problem["detail"].startswith("30 lines")
    assert len(problem["errors"]) == 20


def test_after_a_refusal_the_same_connection_takes_the_next_import(
    http: TestClient, refused: Call
) -> None:
    headers = {"Content-Type": NDJSON}
    refused("POST", PATH, 422, "bad_line", content=ndjson(row("a")) + b"x", headers=headers)

    assert send(http, ndjson(row("a"))) == {"new": 1, "known": 0, "forgotten": 0, "size": 1}
