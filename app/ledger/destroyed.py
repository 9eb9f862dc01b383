"""Networks that a job makes only to be scored: their digests, however the job ends.

One that trains many of them may fail, or be called off, after some: its last entry names these.
"""

from collections.abc import Iterable

from app.ledger.tables import Job


def note(job: Job, digests: Iterable[str]) -> None:
    """What was destroyed since the job last said so."""
    job.run = (job.run or {}) | {"destroyed": [*so_far(job), *digests]}


def so_far(job: Job) -> list[str]:
    """The digests of all that was noted."""
    return list((job.run or {}).get("destroyed", []))
