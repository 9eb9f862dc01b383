from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import checkpoint, note, receipt, witnesses
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, SignatureType
from tests.evidence.issuing import (
    LOG,
    LOG_KEY,
    ORIGIN,
    RECEIPT,
    THIEF,
    WITNESS,
    WITNESS_KEY,
    issued,
)

NAME = "witness.example"
THIEFS_WITNESS = note.verifier_key(NAME, THIEF, SignatureType.COSIGNATURE)

checkpoints = st.builds(
    Checkpoint, st.just(ORIGIN), st.integers(0, 10**17), st.binary(min_size=32, max_size=32)
)
times = st.integers(0, note.LAST_TIME)
private_keys = st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey.from_private_bytes)


def cosigned(head: Checkpoint, key: Ed25519PrivateKey = WITNESS, *, time: int = 1) -> Note:
    signed = checkpoint.cosign(checkpoint.sign(head, LOG), name=NAME, private_key=key, time=time)
    return note.parse(signed)


@given(head=checkpoints, private_key=private_keys, time=times)
def test_what_a_witness_cosigned_is_read_back_with_its_time(
    head: Checkpoint, private_key: Ed25519PrivateKey, time: int
) -> None:
    key = note.verifier_key(NAME, private_key, SignatureType.COSIGNATURE)

    (found,) = witnesses.cosignatures(cosigned(head, private_key, time=time), [key])

    assert (found.key, found.time) == (key, time)
    witnesses.require_all(cosigned(head, private_key), [key])


@given(head=checkpoints, other=checkpoints, time=times)
def test_a_cosignature_is_worth_nothing_under_another_checkpoint(
    head: Checkpoint, other: Checkpoint, time: int
) -> None:
    moved = replace(cosigned(head, time=time), text=checkpoint.text(other))

    if head == other:
        witnesses.require_all(moved, [WITNESS_KEY])
        return
    with pytest.raises(VerificationFailed, match="does not verify"):
        witnesses.cosignatures(moved, [WITNESS_KEY])


@given(bit=st.integers(0, 8 * 72 - 1))
def test_no_bit_of_a_cosignature_or_of_its_time_can_be_changed(bit: int) -> None:
    signed = cosigned(Checkpoint(ORIGIN, 7, bytes(32)))
    *others, line = signed.signatures
    flipped = bytearray(line.signature)
    flipped[bit // 8] ^= 1 << bit % 8
    forged = replace(signed, signatures=(*others, replace(line, signature=bytes(flipped))))

    with pytest.raises(VerificationFailed):
        witnesses.cosignatures(forged, [WITNESS_KEY])


def test_another_key_under_the_witnesss_name_is_ignored_and_does_not_count() -> None:
    signed = cosigned(Checkpoint(ORIGIN, 7, bytes(32)), THIEF)

    assert witnesses.cosignatures(signed, [WITNESS_KEY]) == []
    with pytest.raises(VerificationFailed, match=r"'witness\.example' has not cosigned"):
        witnesses.require_all(signed, [WITNESS_KEY])
    with pytest.raises(VerificationFailed, match="has not cosigned"):
        witnesses.require_all(signed, [THIEFS_WITNESS, WITNESS_KEY])


def test_a_line_that_comes_twice_counts_once() -> None:
    signed = cosigned(Checkpoint(ORIGIN, 7, bytes(32)))
    twice = replace(signed, signatures=(*signed.signatures, signed.signatures[-1]))

    assert len(witnesses.cosignatures(twice, [WITNESS_KEY])) == 1


def test_witnesses_are_named_by_their_vkeys_and_a_ledgers_key_is_none() -> None:
    known = witnesses.parse_keys(f" {note.vkey(WITNESS_KEY)}\n{note.vkey(THIEFS_WITNESS)}\n")

    assert known == (WITNESS_KEY, THIEFS_WITNESS)
    assert witnesses.parse_keys("") == ()
    with pytest.raises(VerificationFailed, match="is a ledger's, not a witness's"):
        witnesses.parse_keys(note.vkey(LOG_KEY))


def test_a_receipt_is_checked_for_every_witness_that_is_asked_for() -> None:
    witnessed = issued(5, witness=WITNESS)

    found = receipt.verify(witnessed, log_keys=[LOG_KEY], witnesses=[WITNESS_KEY])

    assert [each.name for each in found.ledger.cosigners] == [NAME]
    assert not any("no witness" in sentence for sentence in found.findings.not_proved)
    for content, wanted in ((RECEIPT, [WITNESS_KEY]), (witnessed, [WITNESS_KEY, THIEFS_WITNESS])):
        with pytest.raises(VerificationFailed, match="has not cosigned"):
            receipt.verify(content, log_keys=[LOG_KEY], witnesses=wanted)
