"""Receipts: appends what they state, in the transaction of the fact, and gives them out later."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.errors import NoReceipt, ReceiptNotReady, ReceiptShredded
from app.evidence import dsse, receipt, statement
from app.evidence.dsse import Envelope
from app.evidence.receipt import Entry
from app.evidence.statement import PAYLOAD_TYPE, Statement
from app.evidence.strict import to_base64
from app.ledger import cosignatures, derived, entries, forget_sets, statements, tree
from app.ledger.derived import Child
from app.ledger.entries import Fact
from app.ledger.log_tables import LedgerEntry, LedgerLeaf, LedgerPayload, SampleCommitment
from app.ledger.states import FINAL_REQUEST_STATES
from app.ledger.tables import DeletionRequest

MACHINE = "receipt"


class Stage(StrEnum):
    """Of what there is a receipt."""

    ACCEPTED = "accepted"
    COMPLETED = "completed"
    DENIED = "denied"


REVISIONS = {Stage.ACCEPTED: 0, Stage.COMPLETED: 1, Stage.DENIED: 2}


def acceptance(request: DeletionRequest, forget_set: SampleCommitment, *, now: datetime) -> Fact:
    """What is entered of a request's acceptance."""
    return fact_of(request, Stage.ACCEPTED, statements.accepted(request, forget_set, now=now))


def completion(
    session: Session,
    request: DeletionRequest,
    forget_set: SampleCommitment,
    reached: Sequence[Child],
    *,
    now: datetime,
) -> Fact:
    """What is entered of what a request came to."""
    stated = statements.completed(session, request, forget_set, reached, now=now)
    return fact_of(request, Stage.COMPLETED, stated)


def state_completion(
    session: Session,
    request: DeletionRequest,
    samples: Mapping[UUID, Bitmap],
    *,
    now: datetime,
) -> None:
    """State what a request came to."""
    forget_set = forget_sets.committed(session, request.id, samples)
    reached = derived.reached(session, samples)
    append(session, completion(session, request, forget_set, reached, now=now), now=now)


def state_denial(
    session: Session,
    request: DeletionRequest,
    samples: Mapping[UUID, Bitmap],
    reasons: Sequence[str],
    *,
    now: datetime,
) -> None:
    """State that a request was refused, and why."""
    forget_set = forget_sets.committed(session, request.id, samples)
    stated = statements.denied(request, forget_set, reasons, now=now)
    append(session, fact_of(request, Stage.DENIED, stated), now=now)


def fact_of(request: DeletionRequest, stage: Stage, stated: Statement) -> Fact:
    """A statement to be entered; the clerk signs it when it gives the entry its index."""
    return Fact(
        kind=f"{MACHINE}.{stage}",
        machine=MACHINE,
        row_id=request.id,
        revision=REVISIONS[stage],
        payload=statement.to_json(stated),
    )


def append(session: Session, fact: Fact, *, now: datetime) -> None:
    entries.enter(session, fact, now=now)
    session.flush()


def read(
    session: Session,
    request: DeletionRequest,
    stage: Stage | None = None,
    *,
    witnessed: bool = False,
) -> bytes:
    """The newest receipt of a request, or that of a stage; the same bytes each time.

    `witnessed`: under the first checkpoint that a witness has cosigned; further witnesses may
    cosign that one later.
    """
    entry = found(session, request, stage)
    if entry is None:
        raise missing(request, stage)
    # The relationship says that there is a payload; shredding it is what makes that untrue.
    payload: LedgerPayload | None = entry.payload
    if payload is None:
        raise ReceiptShredded(
            "what this receipt states was shredded after its time; copies that were fetched before "
            "still verify"
        )
    leaf = session.scalar(select(LedgerLeaf).where(LedgerLeaf.entry_id == entry.id))
    if leaf is None or payload.signatures is None:
        raise ReceiptNotReady("the statement waits for the clerk to enter and sign it")
    head = (cosignatures if witnessed else tree).covering(session, leaf.index)
    if head is None:  # a leaf is committed with its checkpoint
        raise ReceiptNotReady("no witness has cosigned a checkpoint that covers the statement yet")
    checkpoint = cosignatures.cosigned(session, head) if witnessed else head.note
    hashes = tree.inclusion(session, leaf.index, head.size).hashes
    return receipt.issue(
        enveloped(payload),
        Entry(entry.kind, entry.hour, payload.salt),
        index=leaf.index,
        hashes=hashes,
        checkpoint=checkpoint,
    )


def found(session: Session, request: DeletionRequest, stage: Stage | None) -> LedgerEntry | None:
    """The entry of a stage's statement, or the newest."""
    query = (
        select(LedgerEntry)
        .where(LedgerEntry.machine == MACHINE, LedgerEntry.row_id == request.id)
        .order_by(LedgerEntry.revision.desc())
        .options(joinedload(LedgerEntry.payload))
        .limit(1)
    )
    if stage is not None:
        query = query.where(LedgerEntry.revision == REVISIONS[stage])
    return session.scalar(query)


def missing(request: DeletionRequest, stage: Stage | None) -> NoReceipt | ReceiptNotReady:
    """Why there is no entry: it is too early, or it will never come."""
    if stage is Stage.COMPLETED and request.state not in FINAL_REQUEST_STATES:
        return ReceiptNotReady("the request is not completed yet")
    return NoReceipt(
        f"the request is {request.state}, and there is no such receipt of it; one that was taken "
        "back has that of its acceptance only, and one from before there were receipts has none"
    )


def enveloped(payload: LedgerPayload) -> Envelope:
    """A statement with the signatures that the clerk gave it."""
    return dsse.from_json(
        {
            "payload": to_base64(payload.payload.encode()),
            "payloadType": PAYLOAD_TYPE,
            "signatures": payload.signatures,
        }
    )
