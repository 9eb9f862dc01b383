"""That a job's decision stood in the ledger before anything was run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.ledger.states import JobState
from app.reports.facts import Step

UNDECIDED = (JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Precedence:
    """Where the decision stands among a job's entries."""

    step: int
    """Which step of the timeline states it, from 0."""
    decision: int | None
    """The index of its entry; null until the clerk has entered it."""
    followed_by: int | None
    """The lowest index of the steps after it; null where there is none yet."""


def precedence(steps: Sequence[Step]) -> Precedence | None:
    """The step by which the assessment ended; None where nothing was decided."""
    for place, (before, after) in enumerate(pairwise(steps), start=1):
        if before.state == JobState.ASSESSING and after.state not in UNDECIDED:
            later = [step.index for step in steps[place + 1 :] if step.index is not None]
            return Precedence(place, after.index, min(later, default=None))
    return None
