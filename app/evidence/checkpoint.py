"""Checkpoints: the signed size and root hash of a ledger (C2SP tlog-checkpoint).

A ledger signs under its origin as key name, with an Ed25519 key (0x01). Witnesses add cosignatures
(0x04, C2SP tlog-cosignature).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence import merkle, note
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, SignatureType, VerifierKey
from app.evidence.strict import from_decimal, hash_from_base64, shown, to_base64


@dataclass(frozen=True)
class Checkpoint:
    """How many entries the ledger named by `origin` had, and the root hash over them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Cosigner:
    """A witness that saw this checkpoint extend all it saw before, at a time in POSIX seconds."""

    name: str
    time: int


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint whose ledger and cosigners were verified."""

    checkpoint: Checkpoint
    cosigners: tuple[Cosigner, ...]


def text(checkpoint: Checkpoint) -> str:
    """The signed text: three lines. Extension lines are never written, monitors cannot see them."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{to_base64(checkpoint.root)}\n"


def parse_text(body: str) -> Checkpoint:
    """The checkpoint that a text states. Refuses extension lines: no ledger of ours writes them."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[0] == "" or lines[3] != "":
        raise VerificationFailed("a checkpoint has three lines: origin, size and root hash")
    return Checkpoint(lines[0], from_decimal(lines[1]), hash_from_base64(lines[2]))


def sign(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> bytes:
    """The checkpoint as a note signed by its ledger. ValueError if the origin is no key name.

    The caller answers for never signing two checkpoints of which neither extends the other.
    """
    body = text(checkpoint)
    line = note.sign(body, name=checkpoint.origin, private_key=private_key)
    return note.encode(Note(body, (line,)))


def cosign(data: bytes, *, name: str, private_key: Ed25519PrivateKey, time: int) -> bytes:
    """The same note with a cosignature more; the caller has verified that it extends the last."""
    signed = note.parse(data)
    line = note.cosign(signed.text, name=name, private_key=private_key, time=time)
    return note.encode(replace(signed, signatures=(*signed.signatures, line)))


def verify(data: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
    """The checkpoint of a note, if its own ledger signed it with one of these keys.

    A ledger's key says by its name for which origin it speaks; cosignature keys among `keys` are
    those of witnesses, who are reported but cannot stand in for the ledger.
    """
    parsed = note.parse(data)
    signed = note.verify(parsed, keys)
    checkpoint = parse_text(parsed.text)
    ledgers = [s.key.name for s in signed if s.key.type is SignatureType.ED25519]
    if checkpoint.origin not in ledgers:
        raise VerificationFailed(
            f"the ledger {shown(checkpoint.origin)} has not signed its checkpoint with a key "
            "you trust"
        )
    cosigners = tuple(Cosigner(s.key.name, s.time) for s in signed if s.time is not None)
    return SignedCheckpoint(checkpoint, cosigners)


def verify_extends(newer: Checkpoint, older: Checkpoint, proof: Sequence[bytes]) -> None:
    """Fail unless the newer checkpoint keeps all entries of the older (RFC 9162, 2.1.4.2)."""
    if newer.origin != older.origin:
        raise VerificationFailed("these are checkpoints of two different ledgers")
    merkle.verify_consistency(
        first_size=older.size,
        first_root=older.root,
        second_size=newer.size,
        second_root=newer.root,
        proof=proof,
    )
