"""A person puts a request aside for a reason the law knows, and lets it go on."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.errors import Conflict, IllegalTransition
from app.ledger import requests
from app.ledger.reasons import HOLD_WORDS, RELEASE_WORDS, HoldReason, ReleaseReason
from app.ledger.states import ErasureState
from app.ledger.tables import DeletionRequest, Erasure
from app.ledger.transitions import move


class AlreadyBatched(Conflict):
    """A job carries the request out already."""

    code = "already_batched"


def hold(
    session: Session, request_id: UUID, *, reason: HoldReason, now: datetime
) -> DeletionRequest:
    """Batch none of a request's erasures until it is released. Its clock goes on."""
    request = requests.get(session, request_id, lock=True)
    if any(erasure.state is ErasureState.BATCHED for erasure in request.erasures):
        raise AlreadyBatched(
            "a job carries this request out; cancel the job, or wait for its end, then hold it"
        )
    waiting = those(request, ErasureState.PENDING, "held")
    for erasure in waiting:
        why = {"reason": HOLD_WORDS[reason], "code": reason.value}
        move(session, erasure, ErasureState.ON_HOLD, now=now, **why)
    requests.settle(session, request, now=now)
    return request


def release(
    session: Session, request_id: UUID, *, reason: ReleaseReason, now: datetime
) -> DeletionRequest:
    """Let a request that was held be batched again."""
    request = requests.get(session, request_id, lock=True)
    held = those(request, ErasureState.ON_HOLD, "released")
    for erasure in held:
        why = {"reason": RELEASE_WORDS[reason], "code": reason.value}
        move(session, erasure, ErasureState.PENDING, now=now, **why)
    requests.settle(session, request, now=now)
    return request


def those(request: DeletionRequest, state: ErasureState, what: str) -> list[Erasure]:
    """The request's erasures in this state; refused if there are none."""
    found = [erasure for erasure in request.erasures if erasure.state is state]
    if not found:
        raise IllegalTransition(f"the request is {request.state} and cannot be {what}")
    return found
