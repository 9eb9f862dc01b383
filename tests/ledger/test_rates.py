"""An allowance is refilled by time, and a clock that is set back takes nobody's away."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.ledger import rates
from app.ledger.rates import Allowance
from tests.factories import NOW

MINUTE = Allowance(burst=3, seconds=60.0)


def granted(session: Session, now: datetime) -> int:
    """How many of five are granted at this moment."""
    return sum(rates.spend(session.connection(), "ada", MINUTE, now=now).granted for _ in range(5))


def test_a_burst_is_granted_and_comes_back_with_time(session: Session) -> None:
    later = [timedelta(), timedelta(seconds=1), timedelta(seconds=20), timedelta(hours=1)]

    assert [granted(session, NOW + after) for after in later] == [3, 0, 1, 3]


@pytest.mark.parametrize(("set_back", "left"), [(3600, 3), (121, 3), (59, 0), (1, 0)])
def test_a_clock_that_is_set_back_far_leaves_the_allowance_whole(
    session: Session, set_back: int, left: int
) -> None:
    granted(session, NOW)
    before = NOW - timedelta(seconds=set_back)

    told = rates.left(session.connection(), "ada", MINUTE, cost=1, now=before)

    assert (told.granted, told.left) == (left > 0, left)
    assert granted(session, before) == left
