"""What the decision costs, against always unlearning, always retraining, and one who tried both.

Only costs are compared: in every way an audit that does not pass is followed by a retrain, so all
end equally well by the audit's measure. The decision learns from the jobs before it, so what it
costs depends on their order: it is a mean over many.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import mean, quantiles

from app.ledger.policy import Policy
from app.ledger.references import DESIGN
from benchmarks.unlearning.grid import HARDNESS, RETRAIN, UNTOUCHED
from benchmarks.unlearning.rows import Row, of
from models.decision import decide
from models.decision_terms import Budgets, Costs, Route
from models.hardness.record import Hardness
from models.precedents import Precedent, expected_escalation
from workers.costs import choices, expected_share

OURS = "hamu, reference targets"
COUNTED = (Route.NONE, Route.HAMU, Route.RETRAIN)
ORDERS = 200
TABLE = DESIGN.cost  # retrains a generation, of references that steer and judge
# Each network here is forgotten from once.
NO_BUDGET = Budgets(rounds=0, share=0.0, max_rounds=10**9, max_share=1.0)


@dataclass(frozen=True)
class Job:
    """One forget set on one network, and what each route came to; seconds of the processor."""

    hardness: Hardness
    assess: float
    audit: float
    retrain: float
    unlearn: float
    unlearned_well: bool
    nothing_was_owed: bool

    def cost(self, route: Route) -> float:
        """Of the route, with its audit; and a retrain with its own where that does not pass."""
        own, passed = {
            Route.NONE: (0.0, self.nothing_was_owed),
            Route.HAMU: (self.unlearn, self.unlearned_well),
            Route.RETRAIN: (self.retrain, True),
        }[route]
        return own + self.audit + (0.0 if passed else self.retrain + self.audit)


def jobs(rows: list[Row]) -> list[Job]:
    """One for each forget set and network, in no order that means anything."""
    made = []
    for assessed in of(rows, way=HARDNESS):
        key = {"set": assessed["set"], "seed": assessed["seed"]}
        ours, untouched, retrains = (
            of(rows, **key, way=OURS),
            of(rows, **key, way=UNTOUCHED),
            of(rows, set=assessed["set"], way=RETRAIN),
        )
        if ours and untouched and retrains:
            made.append(
                Job(
                    hardness=Hardness.of(assessed["hardness"]),
                    assess=assessed["seconds"],
                    audit=untouched[0]["audit_seconds"],
                    retrain=mean(row["seconds"] for row in retrains),
                    unlearn=ours[0]["seconds"],
                    unlearned_well=ours[0]["verdict"] == "pass",
                    nothing_was_owed=untouched[0]["verdict"] == "pass",
                )
            )
    return made


def decided(every: list[Job]) -> list[Route]:
    """What the service would decide, one job after another, its costs corrected by those before."""
    routes: list[Route] = []
    for place, job in enumerate(every):
        before = [
            past for past, route in zip(every[:place], routes, strict=True) if route is Route.HAMU
        ]
        size = job.hardness.shares.total
        runs = [
            Precedent(
                share=past.hardness.shares.total,
                escalated=not past.unlearned_well,
                unlearn=past.unlearn / past.retrain,
            )
            for past in before
        ]
        costs = Costs(
            retrain=job.retrain,
            unlearn=job.retrain * expected_share(runs, size, Route.HAMU),
            audit=job.audit,
            assess=job.assess,
            p_escalate=expected_escalation(runs, size),
        )
        routes.append(decide(job.hardness, costs, NO_BUDGET, choices(Policy())).route)
    return routes


def oracle(job: Job) -> Route:
    """The cheapest, known afterwards."""
    return min((Route.NONE, Route.HAMU, Route.RETRAIN), key=job.cost)


CHOOSERS: dict[str, Callable[[list[Job]], list[Route]]] = {
    "the decision": decided,
    "always unlearn": lambda every: [Route.HAMU for _ in every],
    "always retrain": lambda every: [Route.RETRAIN for _ in every],
    "tried everything": lambda every: [oracle(job) for job in every],
}


LEGEND = """\
What choosing costs, in retrains of the recipe: means over forget sets and networks, audits and the
retrains after failed ones included; measuring hardness is counted for the decision alone. regret:
beyond one who tried everything and pays only for what was cheapest. The decision learns from jobs
before: its figures are means over 200 orders, and from .. to is where nine in ten of their regrets
lie. References, without which there is nothing to decide by, are not counted: nine retrains a
generation. paid: after how many jobs the decision has saved these over always retraining."""


def text(every: dict[str, list[Row]]) -> str:
    """Per data set and chooser: mean cost and regret in retrains, and how often which route."""
    head = f"{'':33} {'cost':>7} {'regret':>7}   none  hamu retrain {'from .. to':>16} {'paid':>6}"
    lines = [LEGEND, head]
    for data, rows in every.items():
        if measured := jobs(rows):
            lines += [line(data, name, measured) for name in CHOOSERS]
    return "\n".join(lines)


def line(data: str, name: str, measured: list[Job]) -> str:
    """One chooser on one data set."""
    least = mean(job.cost(oracle(job)) / job.retrain for job in measured)
    assessing = mean(job.assess / job.retrain for job in measured)
    found = [chosen(CHOOSERS[name], order) for order in orders(measured)]
    costs = [cost + (assessing if name == "the decision" else 0.0) for cost, _ in found]
    counts = [mean(routes.count(route) for _, routes in found) for route in COUNTED]
    told = f"{data:10} {name:22} {mean(costs):7.3f} {mean(costs) - least:7.3f} " + "".join(
        f" {count:>5.3g}" for count in counts
    )
    if name != "the decision":
        return told
    low, *_, high = quantiles([cost - least for cost in costs], n=20)
    saved = mean(job.cost(Route.RETRAIN) / job.retrain for job in measured) - mean(costs)
    paid = f"{math.ceil(TABLE / saved)}" if saved > 0 else "never"
    return f"{told}   {f'{low:.3f} .. {high:.3f}':>16} {paid:>6}"


def chosen(
    chooser: Callable[[list[Job]], list[Route]], order: list[Job]
) -> tuple[float, list[Route]]:
    """The mean cost in retrains, and the routes."""
    routes = chooser(order)
    return mean(
        job.cost(route) / job.retrain for job, route in zip(order, routes, strict=True)
    ), routes


def orders(measured: list[Job]) -> list[list[Job]]:
    """The same jobs, shuffled; always in the same ways."""
    return [Random(number).sample(measured, len(measured)) for number in range(ORDERS)]
