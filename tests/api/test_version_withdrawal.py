"""An operator withdraws a version: what it owes, to whom, and what does not change by it."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.bitmap import Bitmap
from app.evidence import withdrawals as evidence
from app.ledger import batching, consumers, versions, withdrawals
from app.ledger.consumer_tables import Acknowledgement
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import DerivedState, RequestState
from app.ledger.tables import Model, ModelVersion
from app.reports.derivations import replaced_by
from app.reports.facts import withdrawn_for
from tests.api.conftest import Call
from tests.factories import (
    NOW,
    make_child,
    make_dataset,
    make_model,
    make_request,
    make_version,
    run_through,
)
from tests.ledger.signing import SIGNER, sequence

PATH = "/v1/models/faces/versions/{}:withdraw"
WRONG_LIST = {"reason": "wrong_training_set"}


@pytest.fixture
def line(session: Session) -> Model:
    return make_model(session, make_dataset(session))


@pytest.fixture
def too_short(session: Session, line: Model) -> ModelVersion:
    """A version whose list left out who comes first."""
    return make_version(session, line, training_set=Bitmap(range(2, 10)))


@pytest.fixture
def corrected(session: Session, line: Model, too_short: ModelVersion) -> ModelVersion:
    return make_version(session, line)


def test_what_was_registered_with_too_short_a_list_is_withdrawn_by_hand(
    session: Session,
    http: TestClient,
    post: Call,
    line: Model,
    too_short: ModelVersion,
    corrected: ModelVersion,
) -> None:
    versions.point(session, line, "stable", too_short, now=NOW)
    consumer = consumers.register(session, line, "app", contact="x", webhook=None, now=NOW)
    child = make_child(session, too_short)

    told = post(PATH.format(1), **WRONG_LIST)

    assert (told["state"], told["withdrawal_reason"]) == ("withdrawn", "wrong_training_set")
    assert told["successor_id"] == str(corrected.id)
    assert versions.aliases_of(session, corrected) == ["live", "stable"]
    session.refresh(child.row)
    assert child.row.state is DerivedState.WITHDRAWN
    (owed,) = session.scalars(select(Acknowledgement)).all()
    assert (owed.consumer_id, owed.version_id) == (consumer.id, too_short.id)
    gone = http.get("/v1/models/faces/versions/1/weights")
    assert (gone.status_code, gone.json()["code"]) == (410, "version_withdrawn")
    assert gone.json()["detail"].endswith("use version 2")


def test_it_is_stated_once_in_the_ledger_and_stands_in_the_signed_list(
    session: Session, post: Call, too_short: ModelVersion, corrected: ModelVersion
) -> None:
    post(PATH.format(1), **WRONG_LIST)

    sequence(session)
    withdrawals.sign(session, SIGNER, now=NOW)
    envelope = withdrawals.read(session).envelope
    (listed,) = evidence.verify(envelope, SIGNER.verifier_keys).withdrawn
    assert (listed.version.number, listed.reason) == (1, "wrong_training_set")
    assert listed.successor == evidence.Version(2, corrected.weights_digest)
    (payload,) = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.kind == "model_version.withdrawn")
    )
    assert json.loads(payload)["reason"] == "wrong_training_set"


def test_what_a_request_is_told_to_have_withdrawn_leaves_it_out(
    session: Session, post: Call, line: Model, too_short: ModelVersion, corrected: ModelVersion
) -> None:
    make_child(session, too_short)
    request = make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    made = run_through(session, job)

    post(PATH.format(1), **WRONG_LIST)

    assert request.state is RequestState.COMPLETED
    assert [each.number for each in withdrawn_for(session, line, made)] == [2]
    assert replaced_by(session, made) == ()


def test_the_live_version_is_not_withdrawn_by_hand(
    session: Session, refused: Call, too_short: ModelVersion
) -> None:
    refused("POST", PATH.format(1), 409, "version_is_live", json=WRONG_LIST)

    assert versions.live(session, too_short.model_id) is too_short


@pytest.mark.parametrize(
    ("number", "body", "status", "code"),
    [
        (3, WRONG_LIST, 404, "unknown_version"),
        (1, {"reason": "forgotten_samples"}, 422, "malformed"),
        (1, {"reason": "a mood"}, 422, "malformed"),
        (1, {}, 422, "malformed"),
    ],
)
def test_what_cannot_be_withdrawn_so_is_refused(
    refused: Call,
    corrected: ModelVersion,
    number: int,
    body: dict[str, str],
    status: int,
    code: str,
) -> None:
    refused("POST", PATH.format(number), status, code, json=body)


def test_what_is_withdrawn_already_is_refused(
    post: Call, refused: Call, corrected: ModelVersion
) -> None:
    post(PATH.format(1), **WRONG_LIST)

    refused("POST", PATH.format(1), 409, "illegal_transition", json={"reason": "defective"})
