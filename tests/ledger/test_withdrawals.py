"""The list of withdrawn versions follows the ledger's entries, and is signed when it changes."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.evidence import withdrawals as evidence
from app.evidence.signer import Signer
from app.evidence.withdrawals import Version, WithdrawalList
from app.ledger import batching, tree, versions, withdrawals
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion
from app.ledger.transitions import move
from tests import factories
from tests.factories import DAY, NOW
from tests.ledger.signing import BOTH, RENEWED, SIGNER, append, sequence

SECOND = timedelta(seconds=1)


@pytest.fixture
def line(session: Session) -> Model:
    """A model with one version, which has seen everybody."""
    made = factories.make_model(session)
    factories.make_version(session, made)
    return made


def forget(session: Session, line: Model, person: str) -> ModelVersion:
    """The version that a request for this person leads to."""
    factories.make_request(session, person)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return factories.run_through(session, job)


def turn(session: Session, signer: Signer = SIGNER, *, now: datetime = NOW) -> bytes:
    """What is served after the clerk's next turn."""
    sequence(session, signer)
    return sign(session, signer, now=now)


def sign(session: Session, signer: Signer = SIGNER, *, now: datetime = NOW) -> bytes:
    withdrawals.sign(session, signer, now=now)
    return withdrawals.read(session).envelope


def checked(envelope: bytes) -> WithdrawalList:
    return evidence.verify(envelope, SIGNER.verifier_keys)


def test_a_withdrawn_version_is_listed_with_its_successor_and_its_entry(
    session: Session, line: Model
) -> None:
    (first,) = versions.listed(session, line)
    second = forget(session, line, "ada")

    listed = checked(turn(session))

    (found,) = listed.withdrawn
    assert (found.model, found.withdrawn_at, found.reason) == ("faces", NOW, "forgotten_samples")
    assert found.version == Version(1, first.weights_digest)
    assert found.successor == Version(2, second.weights_digest)
    ((_, kind, _, _),) = tree.entries(session, found.entry, found.entry + 1)
    assert kind == "model_version.withdrawn"
    head = tree.current(session)
    assert (listed.ledger.size, listed.ledger.root) == (head.size, head.root)


def test_all_that_ever_was_withdrawn_stays_listed_in_the_order_of_the_ledger(
    session: Session, line: Model
) -> None:
    first = checked(turn(session))
    forget(session, line, "ada")
    second = checked(turn(session))
    forget(session, line, "ben")
    third = checked(turn(session))

    assert [len(listed.withdrawn) for listed in (first, second, third)] == [0, 1, 2]
    assert third.withdrawn[:1] == second.withdrawn
    assert [each.version.number for each in third.withdrawn] == [1, 2]


def test_what_has_no_index_in_the_ledger_yet_is_not_listed(session: Session, line: Model) -> None:
    before = turn(session)
    forget(session, line, "ada")

    waiting = sign(session)

    assert waiting == before
    assert len(checked(turn(session)).withdrawn) == 1


def test_a_purged_version_is_listed_as_one(session: Session, line: Model) -> None:
    forget(session, line, "ada")
    turn(session)
    (first, _) = versions.listed(session, line)
    versions.purge(session, first, now=NOW + 8 * DAY)

    (found,) = checked(turn(session)).withdrawn

    assert found.purged_at == NOW + 8 * DAY


def test_nothing_is_signed_anew_while_nothing_changes(session: Session, line: Model) -> None:
    forget(session, line, "ada")
    before = turn(session)
    append(session, 3)

    assert turn(session, now=NOW + DAY - SECOND) == before


def test_after_a_day_the_same_list_is_signed_with_a_new_time(session: Session, line: Model) -> None:
    forget(session, line, "ada")
    before = checked(turn(session))

    after = checked(sign(session, now=NOW + DAY))

    assert (before.listed_at, after.listed_at) == (NOW, NOW + DAY)
    assert (after.ledger, after.withdrawn) == (before.ledger, before.withdrawn)


def test_a_new_key_signs_it_at_once_and_the_old_one_beside_it(
    session: Session, line: Model
) -> None:
    turn(session)

    envelope = turn(session, BOTH)

    for keys in (SIGNER.verifier_keys, RENEWED.verifier_keys):
        assert evidence.verify(envelope, keys).withdrawn == ()
    assert sign(session, BOTH, now=NOW + SECOND) == envelope


def test_without_a_signed_ledger_there_is_nothing_to_list(session: Session, line: Model) -> None:
    withdrawals.sign(session, SIGNER, now=NOW)

    assert withdrawals.newest(session) is None


def test_entries_from_before_reasons_were_entered_have_the_one_there_was(
    session: Session, line: Model
) -> None:
    (first,) = versions.listed(session, line)
    second = factories.make_version(session, line)
    first.withdrawn_at, first.successor_id = NOW, second.id
    move(session, first, VersionState.WITHDRAWN, now=NOW, number=1)

    (found,) = checked(turn(session)).withdrawn

    assert found.reason == "forgotten_samples"
