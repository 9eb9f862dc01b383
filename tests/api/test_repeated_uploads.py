"""Idempotency-Key on bodies that are read as they come: weights, and maps of samples."""

import hashlib
import hmac
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import fingerprints
from app.config import Settings
from app.db import connect, sessions_of, transaction
from app.evidence.canonical import canonical
from app.ledger import idempotency
from app.ledger.tables import IdempotencyKey, Model, ModelVersion, Sample
from app.main import create_app
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.repeating import KEY, stated
from tests.api.weights import NETWORK, weights_file
from tests.factories import PEPPER, announce_worker, make_model, make_request, make_training

UPLOAD, IMPORT = "/v1/models/faces/versions", "/v1/datasets/faces/samples"
BULK, ASSESS = "/v1/deletion-requests:bulk", "/v1/models/faces:assess"
NDJSON, CSV = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "text/csv"}
LINES = b'{"sample_id": "new-1", "subject": "lea"}\n'
OTHER_LINES = LINES.replace(b"new-1", b"new-2")
FORM = {"weights": weights_file(), "training_set": b"ada-0\nkim-1\n"}
OTHER_WEIGHTS = FORM | {"weights": weights_file(body=b"\1" * 32)}
OTHER_SAMPLES = FORM | {"training_set": b"ada-0\n"}


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model with ten samples and no version, and a worker that knows its network."""
    announce_worker(session, parameters=NETWORK)
    return make_model(session)


def count(session: Session, table: type) -> int:
    return session.scalars(select(func.count()).select_from(table)).one()


def test_weights_that_are_sent_again_are_one_version(
    session: Session, http: TestClient, line: Model, clock: Clock
) -> None:
    first = http.post(UPLOAD, files=FORM, headers=KEY)
    make_training(session, line)  # from here on an upload has to wait
    entries = stated(session)
    clock.pass_by(60)

    second = http.post(UPLOAD, files=FORM, headers=KEY)

    assert first.status_code == 201, first.text
    assert (second.status_code, second.json()) == (201, first.json())
    assert (count(session, ModelVersion), stated(session)) == (1, entries)


@pytest.mark.parametrize("other", [OTHER_WEIGHTS, OTHER_SAMPLES], ids=["weights", "samples"])
def test_other_weights_or_samples_need_another_key(
    session: Session, http: TestClient, refused: Call, other: dict[str, bytes]
) -> None:
    http.post(UPLOAD, files=FORM, headers=KEY)

    refused("POST", UPLOAD, 422, "idempotency_key_reused", files=other, headers=KEY)

    assert count(session, ModelVersion) == 1


def test_an_upload_that_was_refused_leaves_its_key_free(
    session: Session, http: TestClient, refused: Call
) -> None:
    ghost = FORM | {"training_set": b"ghost"}
    refused("POST", UPLOAD, 422, "unknown_samples", files=ghost, headers=KEY)

    assert http.post(UPLOAD, files=FORM, headers=KEY).status_code == 201


def test_lines_that_are_sent_again_are_answered_as_they_were(
    session: Session, http: TestClient
) -> None:
    first = http.post(IMPORT, content=LINES, headers=NDJSON | KEY)
    make_request(session, "lea")  # from here on an import would tell of what was forgotten
    entries = stated(session)

    second = http.post(IMPORT, content=LINES, headers=NDJSON | KEY)

    assert first.json() == {"new": 1, "known": 0, "forgotten": 0, "size": 11}
    assert (second.status_code, second.json()) == (200, first.json())
    assert (count(session, Sample), stated(session)) == (11, entries)


@pytest.mark.parametrize(
    ("content", "kind"), [(OTHER_LINES, NDJSON), (LINES, CSV)], ids=["bytes", "type"]
)
def test_other_lines_need_another_key(
    session: Session, http: TestClient, refused: Call, content: bytes, kind: dict[str, str]
) -> None:
    http.post(IMPORT, content=LINES, headers=NDJSON | KEY)

    options: dict[str, Any] = {"content": content, "headers": kind | KEY}
    refused("POST", IMPORT, 422, "idempotency_key_reused", **options)

    assert count(session, Sample) == 11


def test_an_import_that_is_only_checked_takes_no_key(session: Session, http: TestClient) -> None:
    checked = http.post(f"{IMPORT}?validate_only=true", content=LINES, headers=NDJSON | KEY)

    assert checked.json()["new"] == 1
    assert count(session, IdempotencyKey) == 0
    assert http.post(IMPORT, content=OTHER_LINES, headers=NDJSON | KEY).json()["new"] == 1


def test_a_malformed_key_lets_nothing_in(session: Session, refused: Call) -> None:
    short = {"Idempotency-Key": "short"}

    refused("POST", UPLOAD, 400, "bad_idempotency_key", files=FORM, headers=short)
    refused("POST", IMPORT, 400, "bad_idempotency_key", content=LINES, headers=NDJSON | short)

    assert (count(session, ModelVersion), count(session, Sample)) == (0, 10)


def test_while_the_first_is_running_the_second_is_told_to_wait(fresh_database: str) -> None:
    engine = connect(fresh_database)
    settings = Settings(database_url=fresh_database, pepper=PEPPER)
    sent: dict[str, dict[str, Any]] = {
        UPLOAD: {"files": FORM, "headers": KEY},
        IMPORT: {"content": LINES, "headers": NDJSON | KEY},
        ASSESS: {"json": {"subject": "ada"}, "headers": KEY},
    }

    with (
        transaction(sessions_of(engine)) as running,
        TestClient(create_app(settings, FakeQueue())) as http,
    ):
        for path in sent:
            idempotency.lock_key(running, KEY["Idempotency-Key"], path)
        answers = [http.post(path, **options) for path, options in sent.items()]

    told = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert told == [(409, "idempotency_key_in_use")] * 3
    engine.dispose()


@pytest.mark.parametrize(
    ("path", "content"), [(IMPORT, LINES), (BULK, b'{"subject": "ada"}\n')], ids=["import", "bulk"]
)
def test_what_is_kept_of_lines_does_not_give_the_person_away(
    session: Session, http: TestClient, path: str, content: bytes
) -> None:
    http.post(path, content=content, headers=NDJSON | KEY)

    kept = session.scalars(select(IdempotencyKey)).one()

    def fingerprint(lines: str) -> bytes:
        told = {"lines": lines, "content_type": NDJSON["Content-Type"]}
        return hashlib.sha256(canonical(told)).digest()

    assert kept.fingerprint == fingerprint(hmac.digest(b"pepper", content, "sha256").hex())
    assert kept.fingerprint != fingerprint(hashlib.sha256(content).hexdigest())


class Parts(BytesIO):
    """A file that is never read whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= fingerprints.PART
        return super().read(size)


@given(st.integers(0, 2 * fingerprints.PART + 1), st.binary(min_size=1, max_size=8))
def test_a_file_is_told_apart_part_by_part_and_left_at_its_beginning(
    size: int, pattern: bytes
) -> None:
    content = (pattern * (size // len(pattern) + 1))[:size]
    file = Parts(content)

    plain, keyed = fingerprints.plain(file), fingerprints.keyed(file, "pepper")

    assert plain == hashlib.sha256(content).hexdigest()
    assert keyed == hmac.digest(b"pepper", content, "sha256").hex()
    assert file.tell() == 0
