"""The sequencer on a real database: what it signs, and what it refuses to sign."""

from dataclasses import replace

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db import transaction
from app.evidence import checkpoint, merkle, note
from app.evidence.checkpoint import Checkpoint
from app.evidence.signer import Signer
from app.ledger import sequencer, tree
from app.ledger.log_tables import LedgerCheckpoint, LedgerEntry, LedgerLeaf, PendingEntry
from app.ledger.sequencer import WillNotSign
from tests.factories import NOW
from tests.ledger.conftest import Background
from tests.ledger.signing import (
    BOTH,
    OLD_KEY,
    RENEWED,
    SIGNER,
    append,
    sequence,
    sequenced,
    tamper,
    verified,
)


def in_order(session: Session) -> list[int]:
    """The ids of the sequenced entries, by index."""
    return list(session.scalars(select(LedgerLeaf.entry_id).order_by(LedgerLeaf.index)))


def all_at_once(session: Session) -> bytes:
    """The root over all sequenced entries, re-hashed from the entries themselves."""
    rows = tree.entries(session, 0, tree.entered(session))
    return merkle.root([tree.leaf_hash(kind, hour, held) for _, kind, hour, held in rows])


def test_entries_get_their_index_in_the_order_in_which_they_were_appended(session: Session) -> None:
    made = [entry.id for entry in append(session, 5)]

    signed = verified(sequence(session))

    assert in_order(session)[:5] == made
    assert signed == Checkpoint(SIGNER.origin, 6, all_at_once(session))
    assert session.scalar(select(PendingEntry)) is None


def test_the_key_that_signs_is_entered_once(session: Session) -> None:
    sequenced(session)
    sequenced(session)

    kinds = session.scalars(select(LedgerEntry.kind)).all()
    assert kinds.count("ledger_key.added") == 1


def test_with_nothing_to_enter_nothing_is_signed(session: Session) -> None:
    sequenced(session)

    assert sequence(session) is None
    assert len(session.scalars(select(LedgerCheckpoint)).all()) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_every_batch_has_a_checkpoint_that_extends_the_one_before(
    session: Session, limit: int
) -> None:
    append(session, 10)
    last = Checkpoint(SIGNER.origin, 0, merkle.EMPTY_ROOT)

    while (signed := sequence(session, limit=limit)) is not None:
        newer = verified(signed)
        proof = tree.consistency(session, last.size, newer.size).hashes
        checkpoint.verify_extends(newer, last, proof)
        assert newer.size - last.size <= limit
        last = newer

    assert last == Checkpoint(SIGNER.origin, 11, all_at_once(session))


def test_every_entry_is_proved_under_every_later_size(session: Session) -> None:
    for _ in range(4):
        sequenced(session, 3)
    size = tree.current(session).size

    for later in range(1, size + 1):
        for index in range(later):
            proved = tree.inclusion(session, index, later)
            merkle.verify_inclusion(
                proved.leaf_hash, index=index, size=later, proof=proved.hashes, root=proved.root
            )


def test_of_two_sequencers_one_has_the_turn(
    sessions: sessionmaker[Session], background: Background
) -> None:
    with transaction(sessions) as first:
        append(first, 3)
    with transaction(sessions) as first:
        signed = sequence(first)

        second = background(sequence).result(timeout=5)

        assert second is None
    assert verified(signed).size == 4
    with transaction(sessions) as later:
        assert in_order(later) == sorted(in_order(later))


def test_many_sequencers_and_writers_at_once_make_one_history(
    sessions: sessionmaker[Session], background: Background
) -> None:
    writers = [background(lambda session: append(session, 7)) for _ in range(6)]
    runs = [background(sequence) for _ in range(6)]
    for running in (*writers, *runs):
        running.result(timeout=20)

    with transaction(sessions) as session:
        sequence(session)
        heads = session.scalars(select(LedgerCheckpoint).order_by(LedgerCheckpoint.size)).all()
        newest = verified(heads[-1].note)
        assert newest == Checkpoint(SIGNER.origin, 43, all_at_once(session))
        for older in heads:
            proof = tree.consistency(session, older.size, newest.size).hashes
            checkpoint.verify_extends(newest, verified(older.note), proof)


def test_killed_before_its_commit_it_leaves_all_as_before(sessions: sessionmaker[Session]) -> None:
    with transaction(sessions) as session:
        append(session, 3)

    with sessions() as killed:
        lost = verified(sequence(killed))
        pid = killed.scalar(text("SELECT pg_backend_pid()"))
        with transaction(sessions) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError):
            killed.commit()

    with transaction(sessions) as session:
        assert in_order(session) == []
        assert tree.newest(session) is None
        assert verified(sequence(session)).size == lost.size


def test_a_signer_that_remembers_an_older_note_goes_on(session: Session) -> None:
    older = sequenced(session)
    sequenced(session, 4)
    append(session)

    assert verified(sequence(session, remembered=older)).size == 7


def test_a_database_put_back_to_an_older_state_is_not_signed(session: Session) -> None:
    sequenced(session, 2)
    since = session.begin_nested()
    remembered = sequenced(session, 3)
    since.rollback()
    append(session)

    with pytest.raises(WillNotSign, match="put back to an older state"):
        sequence(session, remembered=remembered)


def test_another_history_of_the_same_size_is_not_signed(session: Session) -> None:
    sequenced(session, 2)
    since = session.begin_nested()
    remembered = sequenced(session, 3)
    since.rollback()
    sequenced(session, 3)
    append(session)

    with pytest.raises(WillNotSign, match="does not extend the checkpoint of 6"):
        sequence(session, remembered=remembered)


def test_a_memory_that_cannot_be_read_is_no_reason_to_sign(session: Session) -> None:
    torn = sequenced(session)[:-9]
    append(session)

    with pytest.raises(WillNotSign, match="signed before cannot be read"):
        sequence(session, remembered=torn)


def test_the_note_of_another_ledger_is_no_memory_of_this_one(session: Session) -> None:
    other = Signer("other.example", (OLD_KEY,)).checkpoint(100, bytes(32))
    append(session)

    assert verified(sequence(session, remembered=other)).size == 2


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE ledger_nodes SET hash = sha256(hash) WHERE level = 2", "is not the one that was"),
        ("UPDATE ledger_leaves SET leaf_hash = sha256(leaf_hash)", "is not the one that was"),
        ("DELETE FROM ledger_nodes WHERE level = 2", "hashes of the tree of 5 entries were"),
        ("DELETE FROM ledger_leaves WHERE index = 4", "the tree has 4 leaves, and 5 were signed"),
        (
            "INSERT INTO ledger_leaves SELECT 5, max(id), sha256('') FROM ledger_entries",
            "the tree has 6 leaves, and 5 were signed",
        ),
        ("UPDATE ledger_checkpoints SET root = sha256(root)", "is not what stands beside it"),
        ("UPDATE ledger_checkpoints SET size = 4", "is not what stands beside it"),
    ],
)
def test_a_tree_that_was_tampered_with_is_not_signed(
    session: Session, statement: str, why: str
) -> None:
    sequenced(session, 4)
    append(session)
    tamper(session, statement)

    with pytest.raises(WillNotSign, match=why):
        sequence(session)


def test_an_entry_that_reads_differently_the_second_time_is_not_signed(session: Session) -> None:
    append(session, 3)
    waiting = sequencer.waiting_entries(session, 10)
    flipped = replace(waiting[1], leaf_hash=waiting[1].leaf_hash[:-1] + b"\x00")
    sequencer.store(session, 0, [waiting[0], flipped, waiting[2]], [])

    with pytest.raises(WillNotSign, match="the leaf at index 1 is not that of its entry"):
        sequencer.rederived(session, 0, 3)


# As a disk or a memory chip may: what was read before the new leaves were written reads differently
# afterwards.
FLIP = """
    CREATE FUNCTION flip() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('session_replication_role', 'replica', true);
        UPDATE ledger_nodes SET hash = sha256(hash) WHERE level = 2;
        PERFORM set_config('session_replication_role', 'origin', true);
        RETURN NULL;
    END $$;
    CREATE TRIGGER flip AFTER INSERT ON ledger_leaves EXECUTE FUNCTION flip()
"""


def test_two_roots_by_two_ways_of_reading_are_never_signed(session: Session) -> None:
    first = verified(sequenced(session, 3))
    append(session)
    session.execute(text(FLIP))

    with pytest.raises(WillNotSign) as refusal, session.begin_nested():
        sequence(session)

    assert "the root over 5 entries is" in str(refusal.value)
    assert "as they were read first and" in str(refusal.value)
    assert [row.size for row in session.scalars(select(LedgerCheckpoint))] == [first.size]
    session.execute(text("DROP TRIGGER flip ON ledger_leaves"))
    again = verified(sequence(session))
    proof = tree.consistency(session, first.size, again.size).hashes
    checkpoint.verify_extends(again, first, proof)


def test_a_ledger_is_not_signed_under_another_name(session: Session) -> None:
    sequenced(session)
    append(session)

    with pytest.raises(WillNotSign, match=r"this signer is other\.example"):
        sequence(session, Signer("other.example", (OLD_KEY,)))


def test_while_a_key_is_replaced_both_the_old_and_the_new_one_vouch(session: Session) -> None:
    sequenced(session)
    append(session)

    handed_over = sequence(session, BOTH)

    assert verified(handed_over, SIGNER) == verified(handed_over, RENEWED)
    append(session)
    assert verified(sequence(session, RENEWED), RENEWED).size == 5
    announced = [
        session.get_one(LedgerEntry, entry_id, populate_existing=True).kind
        for entry_id in in_order(session)
    ]
    assert announced.count("ledger_key.added") == 2


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (3, "does not extend the last, of 3"),
        (2, "does not extend the last, of 3"),
        (4, "does not cover what was entered"),
    ],
)
def test_a_forged_checkpoint_is_refused_by_the_database(
    session: Session, size: int, why: str
) -> None:
    sequenced(session, 2)

    with pytest.raises(DBAPIError, match=why), session.begin_nested():
        session.execute(
            insert(LedgerCheckpoint).values(size=size, root=b"", note=b"", signed_at=NOW)
        )


@pytest.mark.parametrize("table", ["ledger_leaves", "ledger_nodes", "ledger_checkpoints"])
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET {} = NULL", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_tree_is_append_only(session: Session, table: str, change: str) -> None:
    sequenced(session, 3)
    column = {"ledger_leaves": "leaf_hash", "ledger_nodes": "hash"}.get(table, "root")

    with pytest.raises(DBAPIError, match=f"{table} is append-only"), session.begin_nested():
        session.execute(text(change.format(table, column)))


def test_a_note_says_who_signed_it(session: Session) -> None:
    signed = note.parse(sequenced(session))

    assert [line.name for line in signed.signatures] == [SIGNER.origin]
