"""A small ledger in which every entry is a statement, and receipts from it, true and false."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence import checkpoint, dsse, merkle, note, receipt, statement
from app.evidence.checkpoint import Checkpoint
from app.evidence.dsse import Envelope
from app.evidence.note import SignatureType
from app.evidence.receipt import Entry
from app.evidence.statement import PAYLOAD_TYPE, Statement

ORIGIN = "ledger.example/log"
SIZE = 13

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REVIEWER = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
THIEF = Ed25519PrivateKey.from_private_bytes(bytes(range(96, 128)))
LOG_KEY = note.verifier_key(ORIGIN, LOG)
REVIEWER_KEY = note.verifier_key("reviewer.example", REVIEWER)
WITNESS_KEY = note.verifier_key("witness.example", WITNESS, SignatureType.COSIGNATURE)
THIEF_KEY = note.verifier_key(ORIGIN, THIEF)


def digest(number: int) -> str:
    return f"{number:064x}"


def stated(number: int) -> bytes:
    predicate = {"requests": [f"req-{number}"], "route": "hamu", "audit": {"auc": 0.5}}
    return statement.encode(Statement({"weights.safetensors": digest(number)}, predicate))


def entry(number: int) -> Entry:
    return Entry(
        "version.published", datetime(2026, 5, 4, number, tzinfo=UTC), bytes([number] * 32)
    )


def envelope(number: int, key: Ed25519PrivateKey = LOG) -> Envelope:
    return dsse.sign(Envelope(stated(number), PAYLOAD_TYPE), key, keyid="a hint")


def issued(
    number: int,
    *,
    signed: Envelope | None = None,
    described: Entry | None = None,
    index: int | None = None,
    leaves: int = SIZE,
    log: Ed25519PrivateKey = LOG,
    origin: str = ORIGIN,
    witness: Ed25519PrivateKey | None = None,
) -> bytes:
    """The receipt of one entry of a ledger in which every entry is a statement."""
    tree = [merkle.leaf_hash(receipt.leaf(entry(n), stated(n))) for n in range(leaves)]
    head = checkpoint.sign(Checkpoint(origin, leaves, merkle.root(tree)), log)
    if witness is not None:
        head = checkpoint.cosign(head, name="witness.example", private_key=witness, time=1)
    return receipt.issue(
        signed or envelope(number),
        described or entry(number),
        index=number if index is None else index,
        hashes=merkle.inclusion_proof(tree, number),
        checkpoint=head,
    )


def alone(payload: bytes) -> bytes:
    """The receipt of one statement, whatever it says, that is alone in its ledger."""
    leaf = merkle.leaf_hash(receipt.leaf(entry(0), payload))
    return receipt.issue(
        dsse.sign(Envelope(payload, PAYLOAD_TYPE), LOG),
        entry(0),
        index=0,
        hashes=[],
        checkpoint=checkpoint.sign(Checkpoint(ORIGIN, 1, leaf), LOG),
    )


RECEIPT = issued(5)
VERIFIED = receipt.verify(RECEIPT, log_keys=[LOG_KEY])


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The receipt with its JSON changed in place."""
    content = json.loads(RECEIPT)
    change(content)
    return json.dumps(content).encode()
