"""Lists of withdrawn versions, true and false, about the ledger of `issuing`."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence import dsse, withdrawals
from app.evidence.canonical import canonical
from app.evidence.checkpoint import Checkpoint
from app.evidence.signer import Signer
from app.evidence.withdrawals import Version, Withdrawal, WithdrawalList
from tests.evidence.issuing import LOG, ORIGIN, digest

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


def withdrawn(
    number: int,
    successor: int | None,
    *,
    model: str = "faces",
    weights: str | None = None,
    following: str | None = None,
) -> Withdrawal:
    """Version `number`, entered at the index of its number; its weights are numbered like it."""
    return Withdrawal(
        model=model,
        version=Version(number, weights or digest(number)),
        withdrawn_at=AT,
        reason="forgotten_samples",
        successor=None if successor is None else Version(successor, following or digest(successor)),
        entry=number,
        purged_at=None,
    )


def listing(
    *members: Withdrawal, size: int = 20, root: bytes = bytes(32), at: datetime = AT
) -> WithdrawalList:
    return WithdrawalList(Checkpoint(ORIGIN, size, root), at, members)


def signed(listed: WithdrawalList, key: Ed25519PrivateKey = LOG, *, origin: str = ORIGIN) -> bytes:
    """The list as it is served."""
    return enveloped(withdrawals.encode(listed), key, origin=origin)


def enveloped(payload: bytes, key: Ed25519PrivateKey = LOG, *, origin: str = ORIGIN) -> bytes:
    return canonical(dsse.to_json(Signer(origin, (key,)).statement(payload)))
