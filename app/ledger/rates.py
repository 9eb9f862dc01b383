"""How fast callers may ask, kept in Postgres so that all processes of the API count together.

A generic cell rate algorithm (ITU-T I.371): a caller's row holds when its bucket will have run
empty again. One statement reads and fills it, so that two requests never pass for one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.ledger.key_tables import RateBucket


class RateLimited(ServiceError):
    """Too many requests in too short a time."""

    status = 429
    code = "rate_limited"


class QuotaSpent(ServiceError):
    """The caller has submitted as many deletion requests as it may for now."""

    status = 429
    code = "quota_spent"


@dataclass(frozen=True)
class Allowance:
    """So many at once, and so many in each span of time in the long run."""

    burst: int
    seconds: float  # in which a spent burst is there again whole

    @property
    def each(self) -> timedelta:
        """For how long one of them fills the bucket."""
        return timedelta(seconds=self.seconds / self.burst)


@dataclass(frozen=True)
class Standing:
    """What is left to a caller."""

    granted: bool
    left: int
    seconds: int  # until what was refused is granted, or else until nothing is used up


def spend(
    session: Session, caller: str, allowance: Allowance, *, cost: int = 1, now: datetime
) -> Standing:
    """Take so many from a caller's allowance, all of them or none."""
    used, limit = allowance.each * cost, now + timedelta(seconds=allowance.seconds)
    if cost > allowance.burst:
        return Standing(granted=False, left=0, seconds=ceil(allowance.seconds))
    filled = func.greatest(RateBucket.empty_at, now) + used
    empty_at = session.scalar(
        insert(RateBucket)
        .values(caller=caller, empty_at=now + used)
        .on_conflict_do_update(
            index_elements=[RateBucket.caller], set_={"empty_at": filled}, where=filled <= limit
        )
        .returning(RateBucket.empty_at)
    )
    if empty_at is not None:
        return Standing(
            granted=True,
            left=int((limit - empty_at) / allowance.each),
            seconds=ceil((empty_at - now).total_seconds()),
        )
    full_until = session.scalars(
        select(RateBucket.empty_at).where(RateBucket.caller == caller)
    ).one()
    return Standing(
        granted=False,
        left=max(0, int((limit - full_until) / allowance.each)),
        seconds=max(1, ceil((full_until + used - limit).total_seconds())),
    )


def forget(session: Session, *, now: datetime) -> None:
    """Drop the rows of callers who have their whole allowance again."""
    session.execute(delete(RateBucket).where(RateBucket.empty_at <= now))
