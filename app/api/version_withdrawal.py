"""An operator takes a version out of use that should not be used, whoever asked for nothing."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import NowDep, SessionDep
from app.api.problems import Malformed, refusals
from app.api.versions import VersionRead
from app.errors import IllegalTransition, UnknownModel, UnknownVersion
from app.ledger import model_lines, withdrawing
from app.ledger.reasons import WithdrawalReason
from app.ledger.withdrawing import VersionIsLive

router = APIRouter(prefix="/v1/models/{name}/versions", tags=["versions"])


class VersionWithdrawal(BaseModel):
    """Why a version is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reason: Literal[
        WithdrawalReason.WRONG_TRAINING_SET, WithdrawalReason.DEFECTIVE, WithdrawalReason.OTHER
    ] = Field(description="The code that the ledger and the list of withdrawn versions give.")


@router.post(
    "/{number}:withdraw",
    summary="Withdraw a version",
    responses=refusals(UnknownModel, UnknownVersion, VersionIsLive, IllegalTransition, Malformed),
)
def withdraw_version(
    name: str, number: int, body: VersionWithdrawal, session: SessionDep, now: NowDep
) -> VersionRead:
    """For good: its aliases move to the live version, and its weights answer 410 from now on.

    Such as one that was uploaded with too short a list of samples: requests of whoever was left
    out would not find it. Consumers are told and owe an answer, what was derived from it is
    withdrawn too, it stands in the signed list, and after the time of grace it is purged.
    """
    line = model_lines.get(session, name)
    return VersionRead.of(withdrawing.by_hand(session, line, number, reason=body.reason, now=now))
