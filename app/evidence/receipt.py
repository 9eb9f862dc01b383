"""Receipts: a signed statement and the proof that the ledger holds it, in one file to check alone.

    {"format": "lacuna-receipt/v1", "envelope": <DSSE envelope>, "proof": <C2SP tlog-proof>}

The statement's bytes are the payload of its ledger entry. What the entry's leaf needs besides (its
type, its hour and the salt of its commitment) is the proof's `extra`, as canonical JSON. The leaf
is made anew from all of them, so none can be exchanged.

The ledger's key may sign the statement too: what DSSE signs is never a checkpoint, for that begins
with an origin that a ledger's key is named by, and key names have no spaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.evidence import dsse, note, statement
from app.evidence import proof as tlog_proof
from app.evidence.canonical import SALT_SIZE, canonical, commitment_to_bytes, leaf_data, utc_hour
from app.evidence.checkpoint import SignedCheckpoint
from app.evidence.dsse import Envelope
from app.evidence.errors import VerificationFailed
from app.evidence.findings import Findings, findings
from app.evidence.note import SignatureType, VerifierKey
from app.evidence.proof import TlogProof
from app.evidence.statement import Statement
from app.evidence.strict import SHA256_HEX, from_json, member, shown
from app.evidence.witnesses import require_all

FORMAT = "lacuna-receipt/v1"
# A statement is a few kilobytes; more is somebody trying to keep a verifier busy.
MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Entry:
    """What a leaf of the ledger says of a statement, besides committing to it."""

    kind: str
    hour: datetime
    salt: bytes


@dataclass(frozen=True)
class Verified:
    """What a receipt holds once everything in it has been checked, and what that shows."""

    payload: bytes  # exactly the bytes that were signed and entered
    statement: Statement
    signers: tuple[str, ...]
    entry: Entry
    index: int
    ledger: SignedCheckpoint
    findings: Findings


def leaf(entry: Entry, payload: bytes) -> bytes:
    """The leaf data under which the ledger enters a statement's bytes."""
    return leaf_data(entry.kind, entry.hour, commitment_to_bytes(entry.salt, payload))


def issue(
    envelope: Envelope, entry: Entry, *, index: int, hashes: Sequence[bytes], checkpoint: bytes
) -> bytes:
    """The receipt for a signed statement that a checkpoint of the ledger covers."""
    proof = TlogProof(index, tuple(hashes), checkpoint, extra=encode_entry(entry))
    return canonical(
        {
            "format": FORMAT,
            "envelope": dsse.to_json(envelope),
            "proof": tlog_proof.encode(proof).decode(),
        }
    )


def verify(
    receipt: bytes,
    *,
    log_keys: Sequence[VerifierKey],
    signer_keys: Sequence[VerifierKey] | None = None,
    threshold: int = 1,
    weights_digest: str | None = None,
    request_id: str | None = None,
    witnesses: Sequence[VerifierKey] = (),
) -> Verified:
    """Check a receipt with nothing but keys; raises VerificationFailed for whatever is wrong.

    `log_keys`: the ledger's key (0x01), and those of witnesses (0x04) if their word is wanted.
    `signer_keys`, `threshold`: who may vouch for the statement and how many of them must; by
    default the ledger itself. `weights_digest`: SHA-256, in hex, of the weights that are claimed to
    be those of the statement. `request_id`: the request that the receipt is claimed to answer.
    `witnesses`: keys (0x04) each of which must have cosigned the checkpoint.
    """
    content = parse(receipt)
    if signer_keys is None:
        signer_keys = [key for key in log_keys if key.type is SignatureType.ED25519]
    opened = dsse.verify(
        dsse.from_json(content["envelope"]),
        signer_keys,
        payload_type=statement.PAYLOAD_TYPE,
        threshold=threshold,
    )
    proof = tlog_proof.parse(content["proof"].encode())
    entry = parse_entry(proof.extra)
    ledger = tlog_proof.verify(proof, leaf(entry, opened.payload), (*log_keys, *witnesses))
    require_all(note.parse(proof.checkpoint), witnesses)
    stated = statement.parse(opened.payload)
    if stated.predicate_type != statement.UNLEARNING_TYPE:
        raise VerificationFailed(f"{shown(stated.predicate_type)} is no statement of unlearning")
    named = None if weights_digest is None else weights_named(stated, weights_digest.lower())
    if request_id is not None and request_id not in statement.requests(stated):
        raise VerificationFailed(f"the receipt is about other requests than {shown(request_id)}")
    found = findings(
        ledger,
        proof.index,
        entry.kind,
        entry.hour,
        opened.signers,
        about_weights=bool(statement.weights(stated)),
        compared=named,
    )
    return Verified(opened.payload, stated, opened.signers, entry, proof.index, ledger, found)


def parse(receipt: bytes) -> dict[str, Any]:
    """The three members of a receipt, nothing in them checked yet."""
    if len(receipt) > MOST_BYTES:
        raise VerificationFailed(f"the receipt is larger than {MOST_BYTES} bytes")
    content = from_json(receipt)
    if member(content, "format", str) != FORMAT or len(content) != 3:
        raise VerificationFailed(f"this is not a receipt of the form {FORMAT}")
    return {"envelope": member(content, "envelope", dict), "proof": member(content, "proof", str)}


def encode_entry(entry: Entry) -> bytes:
    """The `extra` of a receipt's proof."""
    return canonical({"hour": utc_hour(entry.hour), "salt": entry.salt.hex(), "type": entry.kind})


def parse_entry(extra: bytes) -> Entry:
    """The entry that an `extra` describes, in exactly the form in which it is written."""
    value = from_json(extra)
    kind, hour = member(value, "type", str), member(value, "hour", str)
    try:
        entry = Entry(kind, datetime.fromisoformat(hour), bytes.fromhex(member(value, "salt", str)))
        exact = len(entry.salt) == SALT_SIZE and encode_entry(entry) == extra
    except (ValueError, OverflowError) as error:
        raise VerificationFailed("the receipt does not describe its ledger entry") from error
    if not exact:
        raise VerificationFailed("the receipt describes its ledger entry in another form than ours")
    return entry


def weights_named(stated: Statement, digest: str) -> str:
    """The name under which a statement speaks of the weights with this digest."""
    if not SHA256_HEX.fullmatch(digest):
        raise VerificationFailed(f"{shown(digest)} is not a SHA-256 digest in hex")
    named = statement.weights(stated)
    if not named:
        raise VerificationFailed("the statement is about no weights: none were made, or needed")
    names = [name for name, known in named.items() if known == digest]
    if not names:
        raise VerificationFailed("the weights are not those that the statement is about")
    return names[0]
