"""Takes versions out of use: those that saw what was forgotten, and what an operator withdraws."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Conflict
from app.ledger import consumers, derived, model_lines, versions
from app.ledger.reasons import WithdrawalReason
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion
from app.ledger.transitions import move


class VersionIsLive(Conflict):
    """The version is the live one: what is to take its place has to be uploaded first."""

    code = "version_is_live"


def withdraw_those_that_saw(
    session: Session, line: Model, samples: Bitmap, successor: ModelVersion, *, now: datetime
) -> list[ModelVersion]:
    """Withdraw every published version of the model that was trained on any of the samples."""
    withdrawn = [
        version
        for version in versions.listed(session, line)
        if version.state is VersionState.PUBLISHED and version.training_set & samples
    ]
    for version in withdrawn:
        withdraw(
            session, line, version, successor, reason=WithdrawalReason.FORGOTTEN_SAMPLES, now=now
        )
    return withdrawn


def by_hand(
    session: Session, line: Model, number: int, *, reason: WithdrawalReason, now: datetime
) -> ModelVersion:
    """Withdraw a version that an operator knows to be wrong; the live one takes its place.

    The model is locked, as whenever it is given a version or a child.
    """
    model_lines.lock(session, line.id)
    version, live = versions.get(session, line, number), versions.live(session, line.id)
    session.refresh(version)
    assert live is not None  # nothing is published without becoming the live one
    if version.id == live.id:
        raise VersionIsLive(
            f"version {number} of {line.name!r} is the live one; upload what is to take "
            "its place first"
        )
    withdraw(session, line, version, live, reason=reason, now=now)
    return version


def withdraw(
    session: Session,
    line: Model,
    version: ModelVersion,
    successor: ModelVersion,
    *,
    reason: WithdrawalReason,
    now: datetime,
) -> None:
    """Take one version out of use, for good; its aliases move to its successor.

    What others derived from it is withdrawn with it, and whoever uses the model outside of this
    service has to say what they did about it.
    """
    version.withdrawn_at = now
    version.successor_id = successor.id
    version.withdrawal_reason = reason
    for alias in versions.aliases_of(session, version):
        versions.point(session, line, alias, successor, now=now)
    move(
        session,
        version,
        VersionState.WITHDRAWN,
        now=now,
        number=version.number,
        successor=successor.number,
        reason=reason.value,
    )
    consumers.owe(session, version, now=now)
    derived.withdraw_children(session, [version], now=now)
