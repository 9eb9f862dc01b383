"""What may be asked for, and what comes of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import datasets
from app.ledger.log_tables import LedgerPayload
from app.ledger.tables import DeletionRequest, Erasure, ModelVersion
from app.queue import CONSIDER_MODEL
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import (
    NOW,
    PEOPLE,
    key_of,
    make_dataset,
    make_model,
    make_request,
    make_version,
    ordinals,
)
from tests.naming import names

PATH = "/v1/deletion-requests"


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


def tombstones(session: Session, name: str = "faces") -> list[int]:
    return list(datasets.tombstones(session, datasets.get(session, name).id))


def test_a_subject_is_forgotten_by_every_model_that_saw_their_samples(
    session: Session, http: TestClient, queue: FakeQueue, live: ModelVersion
) -> None:
    response = http.post(PATH, json={"subject": " ADA ", "external_id": "T-1"})

    assert response.status_code == 202
    answer = response.json()
    assert response.headers["location"] == f"{PATH}/{answer['id']}"
    assert (answer["state"], answer["sample_count"], answer["external_id"]) == (
        "accepted",
        2,
        "T-1",
    )
    (erasure,) = answer["erasures"]
    assert (erasure["model"], erasure["state"], erasure["samples"]) == ("faces", "pending", 2)
    assert queue.rung == [(CONSIDER_MODEL, live.model_id)]
    assert tombstones(session) == [0, 1]
    stored = session.scalars(select(DeletionRequest)).one()
    assert stored.subject_key == key_of("ada")


def test_samples_can_be_named_instead(session: Session, post: Call) -> None:
    answer = post(PATH, dataset="faces", sample_ids=["kim-1", "ada-0"])

    assert answer["sample_count"] == 2
    assert tombstones(session) == [0, 7]
    assert session.scalars(select(DeletionRequest)).one().subject_key is None


def test_a_subjects_request_may_be_limited_to_some_samples(session: Session, post: Call) -> None:
    answer = post(PATH, subject="ben", dataset="faces", sample_ids=["ben-1"])

    assert answer["erasures"][0]["samples"] == 1
    assert tombstones(session) == [3]


def test_all_datasets_and_models_are_looked_through(session: Session, post: Call) -> None:
    voices = make_dataset(session, "voices", people=["zoe", "ada"])
    make_version(session, make_model(session, voices, "speech"))
    make_version(session, make_model(session, voices, "accents"))
    make_model(session, voices, "unborn")

    answer = post(PATH, subject="ada")

    assert answer["sample_count"] == 4
    assert {erasure["model"] for erasure in answer["erasures"]} == {"faces", "speech", "accents"}


@pytest.mark.parametrize("subject", ["stranger", "ada@example.org"])
def test_a_subject_that_nothing_is_known_of_is_done_at_once(
    post: Call, queue: FakeQueue, subject: str
) -> None:
    answer = post(PATH, subject=subject)

    assert answer["state"] == "completed_no_data"
    assert (answer["sample_count"], answer["erasures"]) == (0, [])
    assert answer["finished_at"] is not None
    assert queue.rung == []


def test_samples_that_no_version_saw_are_buried_all_the_same(session: Session, post: Call) -> None:
    make_dataset(session, "voices", people=["mia"])

    answer = post(PATH, subject="mia")

    assert (answer["state"], answer["sample_count"]) == ("completed_no_data", 2)
    assert tombstones(session, "voices") == [0, 1]


def test_older_versions_that_are_still_published_count_too(
    session: Session, post: Call, live: ModelVersion
) -> None:
    dataset = datasets.get(session, "faces")
    line = make_model(session, dataset, "masks")
    make_version(session, line, training_set=ordinals(session, dataset, "ada", "ben"))
    make_version(session, line, training_set=ordinals(session, dataset, "ben", "eve"))

    answer = post(PATH, subject="ada")

    assert {erasure["model"]: erasure["samples"] for erasure in answer["erasures"]} == {
        "faces": 2,
        "masks": 2,
    }


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (None, "2026-04-02T23:59:59+02:00"),  # a Thursday, by Berlin's clock
        ("2026-01-31T10:00:00Z", "2026-03-02T23:59:59+01:00"),  # 28 February is a Saturday
        ("2026-03-01T23:30:00+00:00", "2026-04-02T23:59:59+02:00"),
        ("2000-01-01T00:00:00Z", "2000-02-01T23:59:59+01:00"),
    ],
)
def test_the_due_date_is_the_laws(post: Call, received: str | None, due: str) -> None:
    answer = post(PATH, subject="ada", received_at=received)

    assert datetime.fromisoformat(answer["due_at"]) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    "received",
    [
        (NOW + timedelta(minutes=6)).isoformat(),
        "1999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-01T00:00:00",
        "yesterday",
    ],
)
def test_a_receipt_in_the_future_or_in_another_age_is_refused(refused: Call, received: str) -> None:
    body = {"subject": "ada", "received_at": received}

    problem = refused("POST", PATH, 422, "malformed", json=body)

    assert problem["errors"][0]["pointer"] == "/received_at"


def test_a_clock_that_is_a_little_ahead_is_no_offence(post: Call, clock: Clock) -> None:
    post(PATH, subject="ada", received_at=(clock.now + timedelta(minutes=4)).isoformat())


def lists(*sample_ids: str, **more: Any) -> dict[str, Any]:
    return {"dataset": "faces", "sample_ids": list(sample_ids)} | more


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        (lists("ada-0", "x", "kim-0", "y"), "unknown_samples", ["/sample_ids/1", "/sample_ids/3"]),
        (lists("ada-0", "mia-0"), "unknown_samples", ["/sample_ids/1"]),  # another dataset's
        (lists("ada-0", "ADA-0"), "unknown_samples", ["/sample_ids/1"]),
        (lists("ada-0", "kim-0", "ada-0"), "duplicate_samples", ["/sample_ids/2"]),
        (lists("ada-0", "ben-0", subject="ada"), "foreign_samples", ["/sample_ids/1"]),
        (lists("ada-0", subject="stranger"), "foreign_samples", ["/sample_ids/0"]),
    ],
)
def test_a_list_with_a_wrong_place_is_refused_as_a_whole(
    session: Session, refused: Call, body: Any, code: str, pointers: list[str]
) -> None:
    make_dataset(session, "voices", people=["mia"])

    problem = refused("POST", PATH, 422, code, json=body)

    assert [place["pointer"] for place in problem["errors"]] == pointers
    assert session.scalars(select(DeletionRequest)).all() == []
    assert tombstones(session) == []


def test_an_unknown_dataset_is_refused(refused: Call) -> None:
    body = {"dataset": "x", "sample_ids": ["a"]}

    refused("POST", PATH, 404, "unknown_dataset", json=body)


def test_what_a_model_was_trained_on_cannot_be_forgotten_altogether(
    session: Session, refused: Call
) -> None:
    everything = [f"{person}-{place}" for person in PEOPLE for place in (0, 1)]

    problem = refused("POST", PATH, 422, "covers_everything", json=lists(*everything))

    assert "'faces'" in problem["detail"]
    assert session.scalars(select(Erasure)).all() == []
    assert tombstones(session) == []


def test_all_of_an_older_version_can_be_forgotten(session: Session, post: Call) -> None:
    dataset = datasets.get(session, "faces")
    line = make_model(session, dataset, "masks")
    make_version(session, line, training_set=ordinals(session, dataset, "ada"))
    make_version(session, line, training_set=ordinals(session, dataset, "ben", "eve"))

    assert post(PATH, subject="ada")["state"] == "accepted"


def test_an_external_id_is_used_once(session: Session, post: Call, refused: Call) -> None:
    post(PATH, subject="ada", external_id="T-1")
    body = {"subject": "ben", "external_id": "T-1"}

    problem = refused("POST", PATH, 409, "name_taken", json=body)

    assert problem["errors"][0]["pointer"] == "/external_id"
    assert tombstones(session) == [0, 1]


def test_the_person_is_named_neither_in_answers_nor_in_the_ledger(
    session: Session, http: TestClient, post: Call
) -> None:
    answer = post(PATH, subject="ada", external_id="T-1")
    bodies = [http.get(f"{PATH}/{answer['id']}").text, http.get(PATH).text, json.dumps(answer)]

    said = " ".join(bodies + list(session.scalars(select(LedgerPayload.payload))))

    assert not names(said, "ada")
    assert key_of("ada").hex() not in said


def test_a_page_of_requests_takes_the_same_number_of_queries_however_long(
    session: Session, http: TestClient
) -> None:
    def queries() -> int:
        seen: list[str] = []
        listener = lambda *arguments: seen.append(arguments[2])  # noqa: E731  # its only use
        event.listen(session.get_bind(), "before_cursor_execute", listener)
        http.get(PATH)
        event.remove(session.get_bind(), "before_cursor_execute", listener)
        return len(seen)

    make_request(session, "ada")
    few = queries()
    for person in ("ben", "eve", "kim"):
        make_request(session, person, now=datetime(2026, 3, 3, tzinfo=UTC))

    assert queries() == few
