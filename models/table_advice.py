"""Would references pay? What a table costs, against what it saves the jobs to come; pure."""

import math
from dataclasses import dataclass, replace

from models.decision import choose, drift
from models.decision_terms import Budgets, Costs, Policy, Route
from models.hardness.record import Hardness, TargetRule


@dataclass(frozen=True)
class Advice:
    """In retrains: `cost` of the table, and what it has `saved` after each job like this one.

    `jobs`: after how many it is paid, None if never. `expected`: how many such jobs the drift
    budgets allow before the next retrain, which ends the table.
    """

    cost: float
    saved: float
    jobs: int | None
    expected: int

    @property
    def pays(self) -> bool:
        return self.jobs is not None and self.jobs <= self.expected

    @property
    def sentence(self) -> str:
        """For whoever has to decide."""
        price = f"A reference table would cost {self.cost:.3g} retrains and"
        if self.jobs is None:
            return f"{price} save nothing on a job like this one."
        verdict = "it pays" if self.pays else "it does not pay by cost alone"
        return (
            f"{price} pay after {self.jobs} jobs like this one; the budgets allow {self.expected} "
            f"before the next retrain: {verdict}."
        )


def table_advice(
    hardness: Hardness,
    costs: Costs,
    budgets: Budgets,
    policy: Policy,
    *,
    aimed_costs: Costs,
    table_cost: float,
    trains_reference: bool,
) -> Advice | None:
    """What a table would save; None where there is one already, or a retrain costs nothing.

    It saves the retrain that an audit without references compares with (`trains_reference`), that
    of a job which is blind without it, and what fewer escalations save. `aimed_costs`: what is
    expected of jobs with references; the same as `costs` where nobody has measured any.
    """
    if hardness.deficit.rule is TargetRule.REFERENCE or costs.retrain == 0:
        return None
    aimed = replace(hardness, deficit=replace(hardness.deficit, rule=TargetRule.REFERENCE))
    now, _ = choose(hardness, costs, budgets, policy)
    then, _ = choose(aimed, aimed_costs, budgets, policy)
    # A retrain is exact by how it was made: its audit compares with nothing.
    compared = costs.retrain if trains_reference and now is not Route.RETRAIN else 0.0
    without = of_route(now, costs) + compared
    saved = (without - of_route(then, aimed_costs)) / costs.retrain
    return Advice(
        cost=table_cost,
        saved=saved,
        jobs=math.ceil(table_cost / saved) if saved > 0 else None,
        expected=jobs_until_retrain(hardness, budgets),
    )


def of_route(route: Route, costs: Costs) -> float:
    """What a route is expected to take, in seconds."""
    return costs.retrain + costs.audit if route is Route.RETRAIN else costs.expected


def jobs_until_retrain(hardness: Hardness, budgets: Budgets) -> int:
    """How many jobs of this size fit into what is left of the drift budgets."""
    by_rounds = budgets.max_rounds - budgets.rounds
    by_share = (budgets.max_share - budgets.share) / drift(hardness, budgets)
    return max(0, min(by_rounds, math.floor(by_share + 1e-9)))
