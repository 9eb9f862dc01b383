"""The time, in one place, so that `make test-faults` can set the clocks of a whole stack wrong.

`LACUNA_CLOCK_OFF_BY=FILE` adds the seconds that the file holds, whenever there is one: a stack that
runs sees its clocks jump. Without the variable the time is the machine's.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path


def now() -> datetime:
    """The present, in UTC."""
    moment = datetime.now(UTC)
    told = os.environ.get("LACUNA_CLOCK_OFF_BY")
    return moment if told is None else moment + off_by(Path(told))


def off_by(told: Path) -> timedelta:
    """How far from the machine's clock the stack's is to be."""
    try:
        return timedelta(seconds=float(told.read_text()))
    except FileNotFoundError:
        return timedelta()
