import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Scope
from app.ledger.log_tables import LedgerEntry
from app.ledger.tables import DeletionRequest, ModelVersion
from app.ledger.tombstone_tables import Tombstone
from tests.api.conftest import Call, FakeQueue
from tests.api.keys import make_key
from tests.factories import make_dataset, make_model, make_version

PATH = "/v1/deletion-requests:bulk"
SINGLE = "/v1/deletion-requests"
NDJSON, CSV = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "text/csv"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


@pytest.fixture(autouse=True)
def first(session: Session) -> ModelVersion:
    return make_version(session, make_model(session, make_dataset(session)))


def ndjson(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def stored(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(DeletionRequest)) or 0


def buried(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Tombstone)) or 0


def test_each_line_is_a_request_as_if_it_came_alone(
    http: TestClient, session: Session, get: Call, queue: FakeQueue
) -> None:
    rows = [
        {"subject": "ada", "external_id": "T-1"},
        {"subject": "nobody", "law": "ccpa", "received_at": "2026-03-01T00:00:00Z"},
        {"dataset": "faces", "sample_ids": ["ben-0"]},
    ]

    answer = http.post(PATH, content=ndjson(*rows), headers=NDJSON)

    assert answer.status_code == 202, answer.text
    assert answer.json() == {"submitted": 3, "checked": 3, "samples": 3, "models": ["faces"]}
    assert buried(session) == 3
    assert len(queue.rung) == 1
    by_bulk = {each["sample_count"]: each for each in get(SINGLE)["items"]}
    assert {each["state"] for each in by_bulk.values()} == {"accepted", "completed_no_data"}
    kinds = entries(session)
    for row in ({"subject": "eve"}, {"subject": "nobody"}, {"subject": "kim"}):
        http.post(SINGLE, json=row)
    again = entries(session)
    assert {kind: 2 * count for kind, count in kinds.items()} == again


def entries(session: Session) -> dict[str, int]:
    """How many entries there are of each kind about requests."""
    rows = session.execute(
        select(LedgerEntry.kind, func.count())
        .where(LedgerEntry.machine.in_(("deletion_request", "erasure", "receipt")))
        .group_by(LedgerEntry.kind)
    )
    return dict(rows.all())


def test_csv_says_the_same(http: TestClient, get: Call) -> None:
    text = (
        "external_id,subject,dataset,sample_ids,law\r\n"
        "T-1,ada,,,\r\n"
        "T-2,,faces,ben-0 ben-1,ccpa\r\n"
    )

    answer = http.post(PATH, content=text.encode("utf-8-sig"), headers=CSV)

    assert answer.status_code == 202, answer.text
    found = {each["external_id"]: each for each in get(SINGLE)["items"]}
    assert (found["T-1"]["sample_count"], found["T-1"]["law"]) == (2, "gdpr")
    assert (found["T-2"]["sample_count"], found["T-2"]["law"]) == (2, "ccpa")


def test_all_that_is_wrong_is_told_by_line_and_nothing_is_submitted(
    http: TestClient, session: Session, refused: Call
) -> None:
    http.post(SINGLE, json={"subject": "zoe", "external_id": "T-9"})
    before = stored(session)
    rows = [
        {"subject": "ada"},
        {"subject": ""},
        {"subject": "ben", "colour": "red"},
        {"dataset": "faces", "sample_ids": ["ada-0", "ghost"]},
        {"dataset": "nowhere", "sample_ids": ["x"]},
        {"subject": "kim", "external_id": "T-9"},
        {"subject": "eve", "external_id": "twice"},
        {"subject": "eve", "external_id": "twice"},
        {"subject": "ada", "received_at": "2031-01-01T00:00:00Z"},
        [],
    ]

    problem = refused("POST", PATH, 422, "bad_lines", content=ndjson(*rows), headers=NDJSON)

    places = [fault["pointer"].split("/")[1] for fault in problem["errors"]]
    assert set(places) == {"2", "3", "4", "5", "6", "7", "8", "9", "10"}
    codes = {fault["pointer"]: fault["code"] for fault in problem["errors"]}
    assert codes["/3/colour"] == "extra_forbidden"
    assert codes["/4/sample_ids/1"] == "unknown_samples"
    assert codes["/6/external_id"] == "name_taken"
    assert (stored(session), buried(session)) == (before, 2)
    assert "ghost" not in str(problem)


def test_checking_changes_nothing(http: TestClient, session: Session, queue: FakeQueue) -> None:
    answer = http.post(
        f"{PATH}?validate_only=true", content=ndjson({"subject": "ada"}), headers=NDJSON
    )

    assert answer.status_code == 200
    assert answer.json() == {"submitted": 0, "checked": 1, "samples": 2, "models": ["faces"]}
    assert (stored(session), buried(session), queue.rung) == (0, 0, [])


def test_a_repeated_upload_is_answered_as_the_first_was(
    http: TestClient, session: Session, refused: Call
) -> None:
    ada, ben = ndjson({"subject": "ada"}), ndjson({"subject": "ben"})
    first, second = (http.post(PATH, content=ada, headers=NDJSON | KEY) for _ in range(2))

    assert first.json() == second.json()
    assert stored(session) == 1
    refused("POST", PATH, 422, "idempotency_key_reused", content=ben, headers=NDJSON | KEY)


def test_a_broken_upload_is_refused_whole(refused: Call, session: Session) -> None:
    good = ndjson({"subject": "ada"})

    refused("POST", PATH, 422, "bad_line", content=good + b"{", headers=NDJSON)
    refused("POST", PATH, 422, "bad_line", content=good + b"\xff\n", headers=NDJSON)
    refused("POST", PATH, 422, "bad_line", content=b'subject\n"ada', headers=CSV)
    refused("POST", PATH, 415, "unsupported_media_type", content=good)

    assert stored(session) == 0


def test_people_who_are_to_be_verified_wait_also_in_bulk(
    http: TestClient, session: Session, get: Call
) -> None:
    row = {"subject": "ada", "verify_first": True}

    http.post(PATH, content=ndjson(row, {"subject": "ben"}), headers=NDJSON)

    assert {each["state"] for each in get(SINGLE)["items"]} == {"verifying", "accepted"}
    assert buried(session) == 2


def test_lines_that_wait_need_an_external_id_of_their_own_too(
    http: TestClient, session: Session, refused: Call
) -> None:
    http.post(SINGLE, json={"subject": "zoe", "external_id": "T-9"})
    rows = [
        {"subject": "ada", "external_id": "T-9", "verify_first": True},
        {"subject": "ben", "external_id": "twice", "verify_first": True},
        {"subject": "eve", "external_id": "twice"},
    ]

    problem = refused("POST", PATH, 422, "bad_lines", content=ndjson(*rows), headers=NDJSON)

    taken = {(fault["pointer"], fault["code"]) for fault in problem["errors"]}
    assert taken == {(f"/{line}/external_id", "name_taken") for line in (1, 2, 3)}
    assert stored(session) == 1


def test_what_is_refused_is_said_in_words_that_fit_an_upload(refused: Call) -> None:
    empty = refused("POST", PATH, 422, "bad_line", content=b"", headers=CSV)
    broken = refused("POST", PATH, 422, "bad_line", content=b"{", headers=NDJSON)

    assert empty["errors"][0]["detail"] == "the first line must name the columns"
    assert broken["detail"] == "line 1: not JSON; none of the lines was taken"


def test_people_whom_no_model_saw_are_answered_in_bulk_as_they_are_alone(
    http: TestClient, session: Session, get: Call
) -> None:
    http.post(PATH, content=ndjson({"subject": "x"}, {"subject": "y"}), headers=NDJSON)
    in_bulk = entries(session)
    http.post(SINGLE, json={"subject": "z"})

    assert {each["state"] for each in get(SINGLE)["items"]} == {"completed_no_data"}
    assert all(each["finished_at"] for each in get(SINGLE)["items"])
    assert in_bulk == dict.fromkeys(in_bulk, 2)
    assert entries(session) == dict.fromkeys(in_bulk, 3)
    assert in_bulk.keys() >= {"receipt.accepted", "receipt.completed"}


@pytest.mark.usefixtures("keys_required")
def test_an_upload_needs_the_scope_to_write(http: TestClient, session: Session) -> None:
    reader = make_key(session, Scope.REQUESTS_READ)

    answer = http.post(PATH, content=b"", headers=NDJSON | reader)

    assert answer.status_code == 403


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.lists(st.text(max_size=20), max_size=5).map("\n".join).map(str.encode),
        st.lists(
            st.dictionaries(
                st.sampled_from(["subject", "external_id", "law", "sample_ids", "dataset", "x"]),
                st.recursive(
                    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3),
                    max_leaves=4,
                ),
                max_size=4,
            ),
            max_size=4,
        ).map(lambda rows: ndjson(*rows)),
        st.lists(st.text('",\r\nab\0é', max_size=12), max_size=4)
        .map(lambda lines: "subject,law\n" + "\n".join(lines))
        .map(str.encode),
    ),
    kind=st.sampled_from([NDJSON, CSV]),
)
def test_no_upload_makes_the_service_fail(
    http: TestClient, content: bytes, kind: dict[str, str]
) -> None:
    answer = http.post(f"{PATH}?validate_only=true", content=content, headers=kind)

    assert answer.status_code in (200, 422), answer.text
