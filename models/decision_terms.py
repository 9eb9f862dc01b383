"""What a decision is made of: the routes, what they cost, the budgets and the policy."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Route(StrEnum):
    """How a forget set is dealt with."""

    NONE = "none"
    HAMU = "hamu"
    NABLA_TAU = "nabla_tau"
    RUM = "rum"
    RETRAIN = "retrain"


@dataclass(frozen=True)
class Costs:
    """What each way costs, in seconds, and how often an audit sends a job back to be retrained.

    `yardstick`: the training with which an audit compares what was unlearned, where there are no
    references: no cost of the route (decision 6), but time until it is done.
    """

    retrain: float
    unlearn: float
    audit: float
    assess: float
    p_escalate: float
    yardstick: float = 0.0

    def __post_init__(self) -> None:
        seconds = (self.retrain, self.unlearn, self.audit, self.assess, self.yardstick)
        if not all(0 <= cost < math.inf for cost in seconds):
            raise ValueError(f"costs are seconds, finite and not negative: {seconds}")
        if not 0 <= self.p_escalate <= 1:
            raise ValueError(f"p_escalate is a probability, not {self.p_escalate}")

    @property
    def expected(self) -> float:
        """c_unlearn + c_audit + p_escalate · c_retrain: what choosing to unlearn comes to."""
        return self.unlearn + self.audit + self.p_escalate * self.retrain

    @property
    def at_worst(self) -> float:
        """Unlearning whose audit sends the job back, and the retrain and audit after it."""
        return self.unlearn + self.yardstick + self.audit + self.at_once

    @property
    def at_once(self) -> float:
        """A retrain and its audit."""
        return self.retrain + self.audit


@dataclass(frozen=True)
class Budgets:
    """How far a model has drifted since its last exact version, and how far it may.

    `rounds`: approximate versions since then. `share`: of that version's training set, forgotten
    since then; what this job forgets comes on top.
    """

    rounds: int
    share: float
    max_rounds: int
    max_share: float


@dataclass(frozen=True)
class Policy:
    """What an operator decided beforehand, or a calibration found; the defaults are cautious.

    `route`: forces a route; `none` is measured and cannot be ordered. `method`: which method when
    unlearning. `sigmas`: how many standard errors count as certain. `stratum_share`: the largest
    share of a stratum, a class for instance, that may be unlearned. `memorized_share`: without
    references, the largest share of memorized samples that may be unlearned. `exposed_share`: with
    references, the largest share of samples outside their own band for the route `none`. `fewest`
    and `comparable_share`: what an audit needs to judge, samples in all and a share of them that
    can be compared; what it cannot judge is retrained. Nought where a person would be asked.
    """

    route: Route | None = None
    method: Route = Route.HAMU
    sigmas: float = 2.0
    stratum_share: float = 0.5
    memorized_share: float = 0.2
    exposed_share: float = 0.05
    fewest: int = 0
    comparable_share: float = 0.0

    def __post_init__(self) -> None:
        if self.route is Route.NONE:
            raise ValueError("the route none is measured; a policy cannot order it")
        if self.method in (Route.NONE, Route.RETRAIN):
            raise ValueError(f"{self.method} is not a way to unlearn")
