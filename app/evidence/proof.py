"""Proofs that an entry is in a ledger, as one text file to keep (C2SP tlog-proof).

A proof is the entry's index, its inclusion proof and the checkpoint that this leads to.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.evidence import checkpoint, merkle
from app.evidence.checkpoint import SignedCheckpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.evidence.strict import from_base64, from_decimal, from_utf8, hash_from_base64, to_base64

FIRST_LINE = "c2sp.org/tlog-proof@v1"
# No tree has more levels than the largest size we read has bits.
MOST_HASHES = 63


@dataclass(frozen=True)
class TlogProof:
    """The place of an entry, the hashes from its sibling to the root's child, and a signed note.

    `extra` is not authenticated: nothing in it counts until something else has confirmed it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


def encode(proof: TlogProof) -> bytes:
    """The proof as a file."""
    lines = [
        FIRST_LINE,
        *([f"extra {to_base64(proof.extra)}"] if proof.extra else []),
        f"index {proof.index}",
        *(to_base64(value) for value in proof.hashes),
    ]
    return "\n".join(lines).encode() + b"\n\n" + proof.checkpoint


def parse(data: bytes) -> TlogProof:
    """The parts of a proof file, none of them checked yet."""
    head, blank, below = from_utf8(data).partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != FIRST_LINE:
        raise VerificationFailed(f"this is not a proof of the form {FIRST_LINE}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = from_base64(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise VerificationFailed("the proof has an empty line of extra data")
    if not lines or not lines[0].startswith("index "):
        raise VerificationFailed("the proof does not say which entry it is about")
    index = from_decimal(lines.pop(0).removeprefix("index "))
    if len(lines) > MOST_HASHES:
        raise VerificationFailed("the inclusion proof is too long for any tree")
    hashes = tuple(hash_from_base64(line) for line in lines)
    return TlogProof(index, hashes, below.encode(), extra)


def verify(proof: TlogProof, leaf_data: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
    """The checkpoint under which the ledger has this leaf data at the proof's index.

    `keys` are trusted: ledgers (0x01) and, if wanted, witnesses (0x04).
    """
    signed = checkpoint.verify(proof.checkpoint, keys)
    merkle.verify_inclusion(
        merkle.leaf_hash(leaf_data),
        index=proof.index,
        size=signed.checkpoint.size,
        proof=proof.hashes,
        root=signed.checkpoint.root,
    )
    return signed
