"""The clerk's turn at the ledger: what is committed, what is remembered, what is only told."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app import log_key
from app.db import transaction
from app.evidence import checkpoint
from app.ledger import sequencer, tree
from app.ledger.sequencer import WillNotSign
from app.ledger.signature_tables import VersionSignature, WithdrawalList
from app.main import create_app
from tests.factories import DAY, NOW, make_version
from tests.ledger.signing import append, tamper
from workers import sequencing, signing
from workers.station import Station


def fill(sessions: sessionmaker[Session], count: int = 3) -> None:
    with transaction(sessions) as session:
        append(session, count)


def size(station: Station) -> int:
    with transaction(station.sessions) as session:
        newest = tree.newest(session)
        return newest.size if newest else 0


def readiness(station: Station) -> Any:
    """What the API says, from the same database."""
    with transaction(station.sessions) as session:
        url = session.get_bind().engine.url.render_as_string(hide_password=False)
    app = create_app(station.settings.model_copy(update={"database_url": url}))
    with TestClient(app) as http:
        response = http.get("/readyz")
    assert (response.status_code == 200) is response.json()["ready"]
    return response.json()


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
    assert [why["code"] for why in readiness(station)["unsigned"]] == ["no_log_key"]
    log_key.make(station.settings)
    sequencing.sequence(station)
    assert readiness(station)["ready"] is True


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


FLIP = (
    "UPDATE ledger_leaves SET leaf_hash = set_byte(leaf_hash, 7, get_byte(leaf_hash, 7) # 1) "
    "WHERE index = 2"
)


def test_a_flipped_byte_makes_the_service_unready_until_it_is_repaired(station: Station) -> None:
    log_key.make(station.settings)
    fill(station.sessions, 2)  # with the key's own entry three, so the last is on the tree's edge
    sequencing.sequence(station)
    flip(station)
    assert readiness(station)["ready"] is True  # nobody has looked yet
    fill(station.sessions)
    for _ in range(2):
        sequencing.sequence(station)

    unready = readiness(station)
    flip(station)
    sequencing.sequence(station)

    (why,) = unready["unsigned"]
    assert why["code"] == "will_not_sign"
    assert why["detail"] == "the tree of 3 entries is not the one that was signed"
    assert readiness(station) == {"ready": True, "without_worker": [], "unsigned": []}
    assert size(station) == 7  # with that of the key for weights


def flip(station: Station) -> None:
    """One bit of one byte, there and back."""
    with transaction(station.sessions) as session:
        tamper(session, FLIP)


def test_a_database_put_back_makes_the_service_unready_although_nothing_waits(
    station: Station,
) -> None:
    log_key.make(station.settings)
    fill(station.sessions)
    sequencing.sequence(station)
    ours = log_key.remembered(station.settings)
    assert ours is not None
    log_key.remember(station.settings, log_key.load(station.settings).checkpoint(9, bytes(32)))
    sequencing.sequence(station)

    unready = readiness(station)
    log_key.remember(station.settings, ours)
    sequencing.sequence(station)

    assert "was the database put back to an older state" in unready["unsigned"][0]["detail"]
    assert readiness(station)["ready"] is True


def signed(station: Station) -> tuple[int, int]:
    """How many weights, and lists of withdrawn versions, were signed."""
    with transaction(station.sessions) as session:
        return (
            len(session.scalars(select(VersionSignature)).all()),
            len(session.scalars(select(WithdrawalList)).all()),
        )


def test_a_clerk_that_comes_after_one_that_refused_signs_neither_weights_nor_the_list(
    station: Station,
) -> None:
    log_key.make(station.settings)
    second = replace(station, incarnation=uuid4())
    fill(station.sessions)
    sequencing.sequence(station)
    before = signed(station)
    with transaction(station.sessions) as session:
        assert sequencer.has_turn(session)
        assert not sequencing.sequence_batch(second)  # the first is at it
    with transaction(station.sessions) as session:
        tamper(session, "UPDATE ledger_nodes SET hash = sha256(hash)")
        make_version(session)
    fill(station.sessions)

    with capture_logs() as told:
        sequencing.sequence(station)
    with pytest.raises(WillNotSign, match="is not the one that was signed"):
        signing.sign(replace(second, clock=lambda: NOW + 2 * DAY))  # goes on where it was

    assert [line["event"] for line in told] == ["will_not_sign"]
    assert signed(station) == before == (0, 1)


def test_a_tree_that_was_changed_is_noticed_though_nothing_waits(station: Station) -> None:
    log_key.make(station.settings)
    fill(station.sessions)
    for _ in range(2):  # the second enters the key that signs weights
        sequencing.sequence(station)
    with transaction(station.sessions) as session:
        tamper(session, "UPDATE ledger_nodes SET hash = sha256(hash)")

    with capture_logs() as told:
        sequencing.sequence(replace(station, clock=lambda: NOW + 2 * DAY))

    assert [line["event"] for line in told] == ["will_not_sign"]


def test_a_database_that_was_put_back_gets_no_list_signed_in_the_place_of_the_newer_one(
    station: Station,
) -> None:
    log_key.make(station.settings)
    fill(station.sessions)
    sequencing.sequence(station)
    with transaction(station.sessions) as session:
        older = tree.newest(session)
        assert older is not None
    fill(station.sessions)
    sequencing.sequence(station)
    with transaction(station.sessions) as session:
        tamper(session, "DELETE FROM ledger_checkpoints WHERE size > :size", size=older.size)

    with pytest.raises(WillNotSign, match="put back to an older state"):
        signing.sign(station)
