"""How fast callers may ask, kept in Postgres so that all processes of the API count together.

A generic cell rate algorithm (ITU-T I.371): a caller's row holds when its bucket will have run
empty again. One statement reads and fills it, so that two requests never pass for one. A bucket
that is fuller than it can get was filled before the clock was set back: it counts as empty, or its
caller would be refused until the clock is there again. Clocks that merely differ come nowhere near.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection, delete, select, text

from app.errors import ServiceError
from app.ledger.key_tables import RateBucket

FILL = text(
    """
    INSERT INTO rate_buckets AS bucket (caller, empty_at)
    VALUES (:caller, CAST(:now AS timestamptz) + :used)
    ON CONFLICT (caller) DO UPDATE
    SET empty_at = :used + CASE WHEN bucket.empty_at < :absurd
        THEN greatest(bucket.empty_at, :now) ELSE :now END
    WHERE :used + CASE WHEN bucket.empty_at < :absurd
        THEN greatest(bucket.empty_at, :now) ELSE :now END <= :limit
    RETURNING empty_at
    """
).columns(RateBucket.empty_at)


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

    def absurd(self, now: datetime) -> datetime:
        """A bucket that is to run empty only then was not filled by this clock."""
        return now + timedelta(seconds=2 * self.seconds)


@dataclass(frozen=True)
class Standing:
    """What is left to a caller."""

    granted: bool
    left: int
    seconds: int  # until what was refused is granted, or else until nothing is used up


def spend(
    connection: Connection, caller: str, allowance: Allowance, *, cost: int = 1, now: datetime
) -> Standing:
    """Take so many from a caller's allowance, all of them or none."""
    used, limit = allowance.each * cost, now + timedelta(seconds=allowance.seconds)
    if cost > allowance.burst:
        return Standing(granted=False, left=0, seconds=ceil(allowance.seconds))
    told = {"caller": caller, "now": now, "used": used, "limit": limit}
    empty_at = connection.scalar(FILL, told | {"absurd": allowance.absurd(now)})
    if empty_at is not None:
        return Standing(
            granted=True,
            left=int((limit - empty_at) / allowance.each),
            seconds=ceil((empty_at - now).total_seconds()),
        )
    return left(connection, caller, allowance, cost=cost, now=now)


def left(
    connection: Connection, caller: str, allowance: Allowance, *, cost: int, now: datetime
) -> Standing:
    """Whether so many would be granted, and what is left of the allowance; takes nothing."""
    used, limit = allowance.each * cost, now + timedelta(seconds=allowance.seconds)
    known = connection.scalar(
        select(RateBucket.empty_at).where(
            RateBucket.caller == caller, RateBucket.empty_at < allowance.absurd(now)
        )
    )
    full_until = max(known or now, now)
    wait = ceil((full_until + used - limit).total_seconds())
    return Standing(
        granted=wait <= 0,
        left=max(0, int((limit - full_until) / allowance.each)),
        seconds=max(1, wait),
    )


def forget(connection: Connection, *, now: datetime) -> None:
    """Drop the rows of callers who have their whole allowance again."""
    connection.execute(delete(RateBucket).where(RateBucket.empty_at <= now))
