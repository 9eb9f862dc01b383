"""The figures of a policy in a world, and the table that they make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, quantiles

from benchmarks.batching.simulation import Outcome, World

COLUMNS = ("cost", "p50", "p95", "p99", "late")


@dataclass(frozen=True)
class Row:
    """A policy in a world, over all seeds."""

    policy: str
    world: World
    jobs: float
    cost: float  # of a request, in retrains
    p50: float
    p95: float
    p99: float
    late: float


def row(policy: str, world: World, outcomes: Sequence[Outcome]) -> Row:
    waited = [days for outcome in outcomes for days in outcome.waited]
    cuts = quantiles(waited, n=100, method="inclusive")
    return Row(
        policy=policy,
        world=world,
        jobs=mean(outcome.jobs for outcome in outcomes),
        cost=sum(outcome.cost for outcome in outcomes) / len(waited),
        p50=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
        late=sum(outcome.late for outcome in outcomes) / len(waited),
    )


def told(rows: Sequence[Row]) -> Iterator[str]:
    """One block for each world."""
    for before, each in pairwise([None, *rows]):
        assert each is not None
        if before is None or before.world != each.world:
            yield ""
            world = each.world
            yield f"{world.per_day:.3g} requests a day; audits send {world.escalated:.0%} back"
            yield f"{'policy':<24} {'jobs':>6}" + "".join(f" {name:>7}" for name in COLUMNS)
        yield (
            f"{each.policy:<24} {each.jobs:6.0f} {each.cost:7.3f} {each.p50:7.2f} "
            f"{each.p95:7.2f} {each.p99:7.2f} {each.late:7.1%}"
        )
