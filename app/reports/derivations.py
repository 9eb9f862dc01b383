"""What others derived from versions of ours: which had to be withdrawn, and what is outstanding."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app.ledger import derived
from app.ledger.derived import Child
from app.ledger.derived_tables import DerivedVersion
from app.ledger.reasons import WithdrawalReason
from app.ledger.states import Derivation, DerivedState
from app.ledger.tables import ModelVersion
from app.reports.facts import utc


@dataclass(frozen=True)
class Derived:
    """A version that is in somebody else's hands."""

    id: UUID
    """Its id."""
    name: str
    """What its owner calls it."""
    parent: str
    """The model of which it is a descendant."""
    version: int
    """The version it was derived from."""
    how: Derivation
    """How it was derived."""
    state: DerivedState
    """Whether it was withdrawn, and whether its owner has confirmed that it is out of use."""
    registered_at: datetime
    """When it was registered."""
    withdrawn_at: datetime | None
    """When it was withdrawn with the version that it was derived from."""
    confirmed_at: datetime | None
    """When its owner's confirmation was noted."""

    @classmethod
    def of(cls, child: Child) -> Self:
        row = child.row
        return cls(
            id=row.id,
            name=row.name,
            parent=child.line.name,
            version=child.parent.number,
            how=row.how,
            state=row.state,
            registered_at=utc(row.registered_at),
            withdrawn_at=row.withdrawn_at and utc(row.withdrawn_at),
            confirmed_at=row.confirmed_at and utc(row.confirmed_at),
        )


@dataclass(frozen=True)
class Elsewhere:
    """Derived versions in a period."""

    withdrawn: int
    """Withdrawn within it, together with the version that they were derived from."""
    confirmed: int
    """Confirmed within it, by their owners, to be out of use."""
    outstanding: int
    """Withdrawn and not confirmed, at its end, or now if it is not over."""


def told(children: Iterable[Child]) -> tuple[Derived, ...]:
    """As reports tell of them, in the order in which they are given."""
    return tuple(Derived.of(child) for child in children)


def replaced_by(session: Session, version: ModelVersion) -> tuple[Derived, ...]:
    """What was derived from versions that this one took the place of to have samples forgotten."""
    parents = select(ModelVersion.id).where(
        ModelVersion.successor_id == version.id,
        ModelVersion.withdrawal_reason == WithdrawalReason.FORGOTTEN_SAMPLES,
    )
    found = derived.of_versions(session, session.scalars(parents).all())
    return told(child for children in found.values() for child in children)


def elsewhere(session: Session, begins: datetime, ends: datetime) -> Elsewhere:
    """Counted from `begins` on, before `ends`."""
    withdrawn, confirmed = DerivedVersion.withdrawn_at, DerivedVersion.confirmed_at
    return Elsewhere(
        withdrawn=count(session, and_(withdrawn >= begins, withdrawn < ends)),
        confirmed=count(session, and_(confirmed >= begins, confirmed < ends)),
        outstanding=count(
            session, and_(withdrawn < ends, or_(confirmed.is_(None), confirmed >= ends))
        ),
    )


def count(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(DerivedVersion).where(which)) or 0
