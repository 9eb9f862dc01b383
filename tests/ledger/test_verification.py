"""Whatever is changed behind the ledger's back is found when it is derived again, and named."""

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.evidence.signer import Signer
from app.ledger.log_tables import LedgerLeaf, LedgerPayload
from app.ledger.verification import Examined, examine
from tests import factories
from tests.ledger.signing import (
    BOTH,
    NEW_KEY,
    RENEWED,
    SIGNER,
    append,
    sequence,
    sequenced,
    tamper,
)

SIZE = 12  # in batches of 6, 3 and 3


@pytest.fixture
def ledger(session: Session) -> Session:
    sequenced(session, 5)
    sequenced(session, 3)
    sequenced(session, 3)
    return session


def examined(session: Session, signer: Signer = SIGNER, *kept: bytes) -> Examined:
    return examine(session, signer.verifier_keys, kept=kept)


def the_fault(session: Session, *kept: bytes) -> str:
    (fault,) = examined(session, SIGNER, *kept).faults
    return fault


def test_an_untouched_ledger_fits(ledger: Session) -> None:
    append(ledger, 2)

    found = examined(ledger)

    assert found == Examined(size=SIZE, checkpoints=3, shredded=0, waiting=2, faults=[])


def test_an_empty_ledger_fits(session: Session) -> None:
    assert examined(session) == Examined()


def test_a_real_history_with_signed_statements_fits(session: Session) -> None:
    factories.make_version(session)
    factories.make_request(session, "ada")
    sequence(session)

    assert examined(session).faults == []


def test_shredded_payloads_do_not_disturb_the_tree(ledger: Session) -> None:
    ledger.execute(delete(LedgerPayload))

    found = examined(ledger)

    assert (found.shredded, found.faults) == (SIZE, [])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET commitment = sha256(commitment) WHERE id = :id",
        "UPDATE ledger_entries SET commitment = "
        "set_bit(commitment, 77, 1 - get_bit(commitment, 77)) WHERE id = :id",
        "UPDATE ledger_entries SET kind = 'test.other' WHERE id = :id",
        "UPDATE ledger_entries SET hour = hour + interval '1 hour' WHERE id = :id",
    ],
)
def test_an_entry_that_was_changed_is_named(ledger: Session, statement: str) -> None:
    ledger.execute(delete(LedgerPayload))
    tamper(ledger, statement, id=entry_at(ledger, 4))

    assert "at index 4, was changed after it was entered" in the_fault(ledger)


def entry_at(session: Session, index: int) -> int:
    return session.get_one(LedgerLeaf, index).entry_id


def test_a_payload_that_was_changed_is_named(ledger: Session) -> None:
    tamper(
        ledger,
        "UPDATE ledger_payloads SET payload = '{}' WHERE entry_id = "
        "(SELECT entry_id FROM ledger_leaves WHERE index = 2)",
    )

    assert "at index 2, has a payload that is not the one it commits to" in the_fault(ledger)


def test_an_entry_that_was_removed_is_named(ledger: Session) -> None:
    tamper(
        ledger,
        "DELETE FROM ledger_entries WHERE id = "
        "(SELECT entry_id FROM ledger_leaves WHERE index = 7)",
    )

    assert "at index 7, was removed" in the_fault(ledger)


def test_an_entry_that_was_removed_with_its_leaf_is_named(ledger: Session) -> None:
    tamper(ledger, "DELETE FROM ledger_leaves WHERE index = 7")

    gap, lost = examined(ledger).faults

    assert gap.startswith("the entry at index 7 was removed from the tree")
    assert "is neither in the tree nor waiting" in lost


def test_entries_that_were_removed_at_the_end_are_named(ledger: Session) -> None:
    tamper(
        ledger,
        "DELETE FROM ledger_entries WHERE id IN "
        "(SELECT entry_id FROM ledger_leaves WHERE index >= 10)",
    )
    tamper(ledger, "DELETE FROM ledger_leaves WHERE index >= 10")

    faults = " ".join(examined(ledger).faults)

    assert "the checkpoint of 12 entries covers 12 entries and there are 10" in faults
    assert "the entries at index 10 to 11 were removed" in faults


def test_an_entry_that_was_added_is_named(ledger: Session) -> None:
    (added,) = append(ledger)
    tamper(ledger, "INSERT INTO ledger_leaves VALUES (12, :id, sha256('x'))", id=added.id)

    wrong, unsigned = examined(ledger).faults

    assert "at index 12, was changed" in wrong
    assert unsigned == "the entry at index 12 was added without a signature"


def test_entries_that_changed_places_are_named(ledger: Session) -> None:
    one, other = entry_at(ledger, 3), entry_at(ledger, 8)
    change = "UPDATE ledger_leaves SET entry_id = :entry WHERE index = :index"
    for entry, index in ((-1, 3), (one, 8), (other, 3)):
        tamper(ledger, change, entry=entry, index=index)

    first, second = examined(ledger).faults

    assert "at index 3, was entered at index 8: entries were reordered" in first
    assert "at index 8, was entered at index 3: entries were reordered" in second


def test_entries_that_changed_places_with_their_leaves_are_narrowed_down(ledger: Session) -> None:
    swap_leaves(ledger, 2, 3)

    faults = examined(ledger).faults

    assert any(
        "over the entries at index 2 to 3 is not the one that they give" in f for f in faults
    )
    assert any("the checkpoint of 6 entries was signed over another history" in f for f in faults)


def swap_leaves(session: Session, one: int, other: int) -> None:
    for old, new in ((one, -1), (other, one), (-1, other)):
        tamper(
            session, "UPDATE ledger_leaves SET index = :new WHERE index = :old", old=old, new=new
        )


def test_a_stored_hash_that_was_changed_is_named(ledger: Session) -> None:
    tamper(
        ledger,
        'UPDATE ledger_nodes SET hash = sha256(hash) WHERE level = 2 AND "offset" = 1',
    )

    assert "the stored hash over the entries at index 4 to 7 is not" in the_fault(ledger)


def test_an_entry_changed_with_all_hashes_above_it_contradicts_the_checkpoint(
    session: Session,
) -> None:
    sequenced(session, 3)
    sequenced(session, 4)
    tamper(session, "DELETE FROM ledger_payloads")
    tamper(
        session,
        "UPDATE ledger_leaves SET leaf_hash = sha256('\\x00'::bytea || convert_to(format("
        '\'{"commitment":"%s","hour":"2026-03-02T12:00:00Z","type":"test.fact"}\', '
        "encode(sha256('y'), 'hex')), 'UTF8')) WHERE index = 6",
    )
    tamper(
        session,
        "UPDATE ledger_entries SET commitment = sha256('y') WHERE id = "
        "(SELECT entry_id FROM ledger_leaves WHERE index = 6)",
    )

    faults = examined(session).faults

    assert faults[0].startswith("the checkpoint of 8 entries was signed over another history: ")
    assert "the entries at index 4 to 7 were changed" in faults[0]


def test_a_checkpoint_row_that_was_changed_is_named(ledger: Session) -> None:
    tamper(ledger, "UPDATE ledger_checkpoints SET root = sha256(root) WHERE size = 9")

    assert the_fault(ledger) == (
        "the checkpoint of 9 entries is not what stands beside it in the database"
    )


def test_a_checkpoint_that_somebody_else_signed_is_named(ledger: Session) -> None:
    forged = Signer(SIGNER.origin, (NEW_KEY,)).checkpoint(9, bytes(32))
    tamper(ledger, "UPDATE ledger_checkpoints SET note = :note WHERE size = 9", note=forged)

    faults = examined(ledger).faults

    assert faults[0].startswith("the checkpoint of 9 entries cannot be trusted: none of the keys")


def test_a_history_that_was_rewritten_contradicts_a_checkpoint_kept_elsewhere(
    session: Session,
) -> None:
    since = session.begin_nested()
    kept = sequenced(session, 3)
    since.rollback()
    sequenced(session, 3)
    sequenced(session, 3)

    faults = examined(session, SIGNER, kept).faults

    assert faults[0] == (
        "kept checkpoint 1 and the checkpoint of 4 entries have 4 entries and different roots, and "
        "both are signed: the history was forked"
    )
    assert faults[1].startswith("kept checkpoint 1 was signed over another history")


def test_a_checkpoint_kept_elsewhere_that_fits_is_no_fault(ledger: Session) -> None:
    kept = sequenced(ledger, 2)
    sequenced(ledger, 2)

    assert examined(ledger, SIGNER, kept).faults == []


def test_a_database_put_back_to_an_older_state_is_named(session: Session) -> None:
    sequenced(session, 2)
    since = session.begin_nested()
    kept = sequenced(session, 4)
    since.rollback()

    assert "put back to an older state" in the_fault(session, kept)


def test_a_statement_whose_signature_was_exchanged_is_named(session: Session) -> None:
    factories.make_version(session)
    factories.make_request(session, "ada")
    sequence(session)
    tamper(session, "UPDATE ledger_payloads SET signatures = '[]' WHERE signatures IS NOT NULL")

    assert "has a statement that no key you trust has signed" in the_fault(session)


def test_an_entry_that_was_taken_out_of_the_queue_is_named(ledger: Session) -> None:
    append(ledger)
    tamper(ledger, "DELETE FROM ledger_pending")

    assert "is neither in the tree nor waiting for its index" in the_fault(ledger)


def test_a_ledger_whose_key_was_replaced_fits_with_all_its_keys(ledger: Session) -> None:
    append(ledger)
    sequence(ledger, BOTH)
    append(ledger)
    sequence(ledger, RENEWED)

    assert examined(ledger, BOTH).faults == []
    assert "the checkpoint of 15 entries cannot be trusted" in examined(ledger, SIGNER).faults[0]
