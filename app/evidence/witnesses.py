"""Witnesses: who they are, and what they cosigned (C2SP tlog-cosignature, Ed25519, 0x04).

A cosignature says: until this time, this is the largest checkpoint of the ledger that I have seen,
and it extends all those before.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.evidence import note
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, Signature, SignatureType, VerifierKey
from app.evidence.strict import shown


@dataclass(frozen=True)
class Cosignature:
    """A witness's signature line over a checkpoint, verified; `time` in POSIX seconds."""

    key: VerifierKey
    line: Signature
    time: int


def parse_keys(text: str) -> tuple[VerifierKey, ...]:
    """Witnesses from their vkeys, separated by blanks. VerificationFailed for any other key."""
    return tuple(of_witness(note.parse_vkey(word)) for word in text.split())


def of_witness(key: VerifierKey) -> VerifierKey:
    """The key, if it is one that cosigns."""
    if key.type is not SignatureType.COSIGNATURE:
        raise VerificationFailed(f"the key {shown(key.name)} is a ledger's, not a witness's")
    return key


def cosignatures(signed: Note, witnesses: Iterable[VerifierKey]) -> list[Cosignature]:
    """What these witnesses signed of a note, each once; lines of others are ignored.

    A line of a known key that does not verify condemns the note, as in `note.verify`.
    """
    known = {(key.name, key.id): key for key in witnesses}
    found = dict[VerifierKey, Cosignature]()
    for line in signed.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None and key not in found:
            time = note.check(key, signed.text, line.signature)
            assert time is not None  # of_witness saw to it
            found[key] = Cosignature(key, line, time)
    return list(found.values())


def require_all(signed: Note, witnesses: Iterable[VerifierKey]) -> None:
    """Fail unless each of these witnesses has cosigned."""
    wanted = tuple(witnesses)
    have = {each.key for each in cosignatures(signed, wanted)}
    for key in wanted:
        if key not in have:
            raise VerificationFailed(f"the witness {shown(key.name)} has not cosigned it")
