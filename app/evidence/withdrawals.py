"""The signed list of withdrawn versions: which weights may not be used any more, told offline.

A DSSE envelope around an in-toto statement about the ledger at one checkpoint: its subject is the
ledger's root hash, its predicate lists every withdrawal among the entries under that root, in their
order. A list that was signed later holds all that an earlier one does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.evidence import dsse, statement
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import SignatureType, VerifierKey
from app.evidence.statement import PAYLOAD_TYPE, Statement
from app.evidence.strict import SHA256_HEX, from_json, member, shown

WITHDRAWALS_TYPE = "https://lacuna.example/withdrawals/v1"
# A withdrawal is about 400 bytes; a model that forgets every hour makes 9,000 in a year.
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Version:
    """A version by its number within its model, and the SHA-256 of its weights in hex."""

    number: int
    weights_sha256: str


@dataclass(frozen=True)
class Withdrawal:
    """That a version may not be used any more: since when, why, and what took its place."""

    model: str
    version: Version
    withdrawn_at: datetime
    reason: str
    successor: Version | None  # it may be withdrawn too by now
    entry: int  # its index in the ledger
    purged_at: datetime | None  # its own copy of the weights is gone, unless shared


@dataclass(frozen=True)
class WithdrawalList:
    """Every withdrawal among the entries of a ledger, as it was at a checkpoint."""

    ledger: Checkpoint
    listed_at: datetime
    withdrawn: tuple[Withdrawal, ...]


def encode(listed: WithdrawalList) -> bytes:
    """The statement's bytes, which are signed. ValueError as for `statement.encode`."""
    ledger = listed.ledger
    predicate = {
        "listed_at": moment(listed.listed_at),
        "ledger": {"origin": ledger.origin, "size": ledger.size, "root_sha256": ledger.root.hex()},
        "withdrawn": [withdrawal_to_json(each) for each in listed.withdrawn],
    }
    subjects = {ledger.origin: ledger.root.hex()}
    return statement.encode(Statement(subjects, predicate, predicate_type=WITHDRAWALS_TYPE))


def withdrawal_to_json(withdrawal: Withdrawal) -> dict[str, Any]:
    purged_at = withdrawal.purged_at
    return {
        "model": withdrawal.model,
        **vars(withdrawal.version),
        "withdrawn_at": moment(withdrawal.withdrawn_at),
        "reason": withdrawal.reason,
        "successor": withdrawal.successor and vars(withdrawal.successor),
        "entry": withdrawal.entry,
        "purged_at": purged_at and moment(purged_at),
    }


def verify(content: bytes, keys: Sequence[VerifierKey]) -> WithdrawalList:
    """The list in an envelope that its ledger signed; raises VerificationFailed otherwise.

    `keys`: those of ledgers (0x01) whose word is taken. Each speaks for the ledger it is named by.
    """
    if len(content) > MOST_BYTES:
        raise VerificationFailed(f"the list is larger than {MOST_BYTES} bytes")
    ledgers = [key for key in keys if key.type is SignatureType.ED25519]
    envelope = dsse.from_json(from_json(content))
    stated = statement.parse(dsse.verify(envelope, ledgers, payload_type=PAYLOAD_TYPE).payload)
    if stated.predicate_type != WITHDRAWALS_TYPE:
        raise VerificationFailed(f"{shown(stated.predicate_type)} is no list of withdrawn versions")
    listed = parse(stated.predicate)
    its_own = [key for key in ledgers if key.name == listed.ledger.origin]
    dsse.verify(envelope, its_own, payload_type=PAYLOAD_TYPE)
    if stated.subjects != {listed.ledger.origin: listed.ledger.root.hex()}:
        raise VerificationFailed("the list is about another state of the ledger than it says")
    return listed


def parse(predicate: Mapping[str, Any]) -> WithdrawalList:
    """The list in a predicate that has been verified; members unknown to us are ignored."""
    ledger = member(predicate, "ledger", dict)
    root = bytes.fromhex(sha256_of(ledger, "root_sha256"))
    head = Checkpoint(member(ledger, "origin", str), count_of(ledger, "size"), root)
    withdrawn = tuple(withdrawal_of(each) for each in member(predicate, "withdrawn", list))
    indices = [each.entry for each in withdrawn]
    if indices != sorted(set(indices)) or any(index >= head.size for index in indices):
        raise VerificationFailed("the withdrawals are not in the order of the ledger's entries")
    if len({(each.model, each.version.number) for each in withdrawn}) != len(withdrawn):
        raise VerificationFailed("the list names a version twice")
    return WithdrawalList(head, moment_of(predicate, "listed_at"), withdrawn)


def withdrawal_of(value: Any) -> Withdrawal:
    """One member of the list."""
    version = version_of(value)
    successor = None if null(value, "successor") else version_of(member(value, "successor", dict))
    if successor is not None and successor.number <= version.number:
        raise VerificationFailed("a version is succeeded by one that is not newer")
    return Withdrawal(
        model=member(value, "model", str),
        version=version,
        withdrawn_at=moment_of(value, "withdrawn_at"),
        reason=member(value, "reason", str),
        successor=successor,
        entry=count_of(value, "entry"),
        purged_at=None if null(value, "purged_at") else moment_of(value, "purged_at"),
    )


def version_of(value: Any) -> Version:
    return Version(count_of(value, "number"), sha256_of(value, "weights_sha256"))


def null(value: Any, name: str) -> bool:
    """Whether a member is there, and null."""
    return isinstance(value, dict) and name in value and value[name] is None


def count_of(value: Any, name: str) -> int:
    """A member that is a whole number and not negative."""
    count = member(value, name, int)
    if isinstance(count, bool) or count < 0:
        raise VerificationFailed(f"`{name}` is not a count")
    return int(count)


def sha256_of(value: Any, name: str) -> str:
    """A member that is SHA-256 in lowercase hex."""
    digest = member(value, name, str)
    if not SHA256_HEX.fullmatch(digest):
        raise VerificationFailed(f"{shown(digest)} is not a SHA-256 digest")
    return str(digest)


def moment_of(value: Any, name: str) -> datetime:
    """A member that is a time with its zone (RFC 3339)."""
    text = member(value, name, str)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise VerificationFailed(f"{shown(text)} is not a time") from error
    if found.tzinfo is None:
        raise VerificationFailed(f"{shown(text)} is a time without its zone")
    return found


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
