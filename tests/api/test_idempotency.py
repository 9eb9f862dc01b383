import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.db import connect, sessions_of, transaction
from app.evidence.canonical import canonical
from app.ledger import idempotency
from app.ledger.tables import DeletionRequest, IdempotencyKey, ModelVersion
from app.main import create_app
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import NOW, PEPPER, make_version
from tests.naming import names

PATH = "/v1/deletion-requests"
KEY = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
ADA = {"subject": "ada", "external_id": "T-1"}


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


def stored(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(DeletionRequest)) or 0


def test_a_repeated_request_is_answered_as_the_first_was(
    session: Session, http: TestClient, queue: FakeQueue, clock: Clock
) -> None:
    first = http.post(PATH, json=ADA, headers=KEY)
    clock.pass_by(60)

    second = http.post(PATH, json=ADA, headers=KEY)

    assert (second.status_code, second.json()) == (202, first.json())
    assert second.headers["location"] == first.headers["location"]
    assert stored(session) == 1
    assert len(queue.rung) == 1


def test_the_same_person_in_other_letters_is_the_same_body(
    session: Session, http: TestClient
) -> None:
    http.post(PATH, json=ADA, headers=KEY)

    again = http.post(PATH, json=ADA | {"subject": " ADA"}, headers=KEY)

    assert again.status_code == 202
    assert stored(session) == 1


@pytest.mark.parametrize(
    "other",
    [
        ADA | {"subject": "ben"},
        ADA | {"external_id": "T-2"},
        {"external_id": "T-1", "dataset": "faces", "sample_ids": ["ada-0"]},
        ADA | {"received_at": NOW.isoformat()},
    ],
)
def test_a_key_that_comes_with_another_body_is_refused(
    session: Session, http: TestClient, refused: Call, other: Any
) -> None:
    http.post(PATH, json=ADA, headers=KEY)

    refused("POST", PATH, 422, "idempotency_key_reused", json=other, headers=KEY)

    assert stored(session) == 1


def test_a_refused_request_leaves_its_key_free(http: TestClient, refused: Call) -> None:
    bad = {"dataset": "faces", "sample_ids": ["x"]}
    refused("POST", PATH, 422, "unknown_samples", json=bad, headers=KEY)

    assert http.post(PATH, json=ADA, headers=KEY).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "short", '"short-in-quotes"', "x" * 201, " " * 40])
def test_a_malformed_key_is_refused(session: Session, refused: Call, key: str) -> None:
    refused("POST", PATH, 400, "bad_idempotency_key", json=ADA, headers={"Idempotency-Key": key})

    assert stored(session) == 0


def test_without_a_key_each_request_counts(session: Session, http: TestClient) -> None:
    for _ in range(2):
        http.post(PATH, json={"subject": "ada"})

    assert stored(session) == 2


def test_the_stored_fingerprint_does_not_give_the_person_away(
    session: Session, http: TestClient
) -> None:
    http.post(PATH, json={"subject": "ada"}, headers=KEY)

    stored = session.scalars(select(IdempotencyKey)).one()

    fields = ("dataset", "sample_ids", "external_id", "received_at")
    guess = {"subject": "ada"} | dict.fromkeys(fields)
    assert stored.fingerprint != hashlib.sha256(canonical(guess)).digest()
    assert not names(str(stored.body), "ada")


def test_of_many_at_once_one_is_carried_out(fresh_database: str) -> None:
    engine = connect(fresh_database)
    with transaction(sessions_of(engine)) as session:
        make_version(session)
    settings = Settings(database_url=fresh_database, pepper=PEPPER)

    with (
        TestClient(create_app(settings, FakeQueue())) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: http.post(PATH, json=ADA, headers=KEY), range(16)))

    taken = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 202]
    assert {answer["id"] for answer in taken} == {taken[0]["id"]}
    assert set(refused) <= {"idempotency_key_in_use"}
    with Session(engine) as session:
        assert stored(session) == 1
    engine.dispose()


def test_while_the_first_is_running_the_second_is_told_to_wait(fresh_database: str) -> None:
    engine = connect(fresh_database)
    settings = Settings(database_url=fresh_database, pepper=PEPPER)

    with (
        transaction(sessions_of(engine)) as running,
        TestClient(create_app(settings, FakeQueue())) as http,
    ):
        idempotency.lock_key(running, KEY["Idempotency-Key"].strip('"'), PATH)
        answer = http.post(PATH, json=ADA, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
    assert answer.headers["Retry-After"] == "1"
    engine.dispose()
