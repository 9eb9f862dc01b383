"""The clerk's turn at the ledger: what is committed, what is remembered, what is only told."""

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from app import log_key
from app.db import transaction
from app.evidence import checkpoint
from app.ledger import tree
from app.ledger.signature_tables import VersionSignature
from tests.factories import make_version
from tests.ledger.signing import append, tamper
from workers import sequencing
from workers.station import Station


def fill(sessions: sessionmaker[Session], count: int = 3) -> None:
    with transaction(sessions) as session:
        append(session, count)


def size(station: Station) -> int:
    with transaction(station.sessions) as session:
        newest = tree.newest(session)
        return newest.size if newest else 0


def test_what_waits_is_signed_and_remembered(station: Station) -> None:
    log_key.make(station.settings)
    fill(station.sessions)

    sequencing.sequence(station)

    kept = log_key.remembered(station.settings)
    assert kept is not None
    signed = checkpoint.verify(kept, log_key.load(station.settings).verifier_keys)
    assert signed.checkpoint.size == size(station) == 4


def test_killed_between_commit_and_memory_the_next_turn_goes_on(station: Station) -> None:
    log_key.make(station.settings)
    fill(station.sessions)
    sequencing.sequence(station)
    older = log_key.remembered(station.settings)
    assert older is not None
    fill(station.sessions)
    sequencing.sequence(station)
    log_key.remember(station.settings, older)

    fill(station.sessions)
    sequencing.sequence(station)

    assert size(station) == 11  # nine, the ledger's key, and the one that signs weights


def test_without_a_key_nothing_is_signed_and_the_log_says_why(station: Station) -> None:
    fill(station.sessions)

    with capture_logs() as told:
        sequencing.sequence(station)

    assert size(station) == 0
    assert [line["event"] for line in told] == ["no_log_key"]


def test_where_the_tree_was_changed_neither_it_nor_weights_are_signed_and_the_log_says_why(
    station: Station,
) -> None:
    log_key.make(station.settings)
    fill(station.sessions)
    sequencing.sequence(station)
    with transaction(station.sessions) as session:
        tamper(session, "UPDATE ledger_nodes SET hash = sha256(hash)")
        make_version(session)
    fill(station.sessions)

    with capture_logs() as told:
        sequencing.sequence(station)

    assert size(station) == 4
    assert [line["event"] for line in told] == ["will_not_sign"]
    with transaction(station.sessions) as session:
        assert session.scalars(select(VersionSignature)).all() == []
