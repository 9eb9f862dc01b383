"""The checkpoints that were signed for a ledger: those it holds, and those kept elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence import checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.ledger.log_tables import LedgerCheckpoint


@dataclass(frozen=True)
class Head:
    """A root that was signed for a size, and in words where that is known from."""

    root: bytes
    source: str


def heads(
    session: Session, keys: Sequence[VerifierKey], kept: Sequence[bytes], faults: list[str]
) -> dict[int, list[Head]]:
    """By size: what was signed. What no trusted key signed, and forks, are told as faults."""
    signed: dict[int, list[Head]] = {}
    for row in session.scalars(select(LedgerCheckpoint).order_by(LedgerCheckpoint.size)):
        source = f"the checkpoint of {row.size} entries"
        found = verified(row.note, keys, source, faults)
        if found is not None and (found.size, found.root) != (row.size, row.root):
            faults.append(f"{source} is not what stands beside it in the database")
        add(signed, found, source, faults)
    for number, note in enumerate(kept, start=1):
        source = f"kept checkpoint {number}"
        add(signed, verified(note, keys, source, faults), source, faults)
    return signed


def verified(
    note: bytes, keys: Sequence[VerifierKey], source: str, faults: list[str]
) -> checkpoint.Checkpoint | None:
    """The checkpoint of a note, if a trusted key signed it."""
    try:
        return checkpoint.verify(note, keys).checkpoint
    except VerificationFailed as failure:
        faults.append(f"{source} cannot be trusted: {failure}")
        return None


def add(
    signed: dict[int, list[Head]],
    found: checkpoint.Checkpoint | None,
    source: str,
    faults: list[str],
) -> None:
    """Note a root, once; a second one for the same size is a fork."""
    if found is None:
        return
    claims = signed.setdefault(found.size, [])
    if any(claim.root == found.root for claim in claims):
        return
    faults.extend(
        f"{source} and {claim.source} have {found.size} entries and different roots, and both are "
        "signed: the history was forked"
        for claim in claims
    )
    claims.append(Head(found.root, source))
