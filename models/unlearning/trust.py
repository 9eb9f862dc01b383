"""How far a step may go, and whether it does more harm than the forgetting is worth.

Both are our own additions to HAMU, after the acceptance test and the stopping rule S2 of our notes.
"""

from dataclasses import dataclass, replace

SHRINK = 0.5  # after an undone step the longest that is allowed is half as long
GROWTH = 1.5  # while nothing was undone; once something was, more carefully
CAREFUL_GROWTH = 1.2
KEPT_PROMISE = 0.25  # steps grow where they gave this share of what they promised, or more
MEMORY = 0.9  # of the moving average of predicted harm


@dataclass(frozen=True)
class Reach:
    """The largest η that the steps so far have shown to be safe.

    `undone`: steps taken back in a row.
    """

    rate: float
    most: float
    growth: float = GROWTH
    undone: int = 0


def further(reach: Reach) -> Reach:
    """After a step that kept its promise."""
    return replace(reach, rate=min(reach.rate * reach.growth, reach.most), undone=0)


def nearer(reach: Reach) -> Reach:
    """After a step that was taken back. A shorter one than is allowed then is tried as it was."""
    return replace(reach, rate=reach.rate * SHRINK, growth=CAREFUL_GROWTH, undone=reach.undone + 1)


@dataclass(frozen=True)
class Harm:
    """S2: the moving average of what steps are predicted to cost the retain set beyond their worth.

    `bad`: how many steps in a row it has been above nought.
    """

    average: float = 0.0
    steps: int = 0
    bad: int = 0


def after_step(harm: Harm, excess: float) -> Harm:
    """Take in a step's predicted retain change less what it may cost."""
    average = excess if harm.steps == 0 else MEMORY * harm.average + (1 - MEMORY) * excess
    return Harm(average, harm.steps + 1, harm.bad + 1 if average > 0 else 0)
