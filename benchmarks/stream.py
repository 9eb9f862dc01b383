"""Fifty requests one after another on one model: does it stay as good as a retrain?

Every round some people ask, hardness is measured, the service's own decision chooses, and HAMU with
reference targets or a retrain follows. After every tenth round the network is held against networks
retrained on what is left. Three ways to carry on:

- parent: from the last version, within the default drift budgets; a spent one retrains, and that
  begins a generation with references of its own;
- exact: always from the last exact version, with all that was forgotten since, same budgets;
- unbounded: from the last version, whatever was spent.

The audit's word is not followed here, or it would hide drift by retraining.

    python -m benchmarks.stream careers
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch import nn

from benchmarks.unlearning.cases import of_people, recipe_of
from benchmarks.unlearning.networks import PARTS, STEERING_ROUNDS, Shelf
from models.data import Samples, Split
from models.decision import Budgets, Costs, Policy, Route, decide
from models.hardness.measure import measure
from models.progress import silent
from models.references import Table, spread, targets
from models.training import evaluate
from models.unlearning.contract import Diverged
from models.unlearning.hamu import hamu

ROUNDS, CHECKED_EVERY, RETRAINS = 50, 10, 3
WAYS = {
    "parent": Budgets(),
    "exact": Budgets(),
    "unbounded": Budgets(max_rounds=10**9, max_share=1.0),
}
CHEAP = Costs(
    retrain=1.0, unlearn=0.1, audit=0.0, assess=0.0, p_escalate=0.0
)  # drift is in question
EXACT, STEER, BAND, ORDER = 0, 10_000, 30_000, 7
RESULTS = Path(__file__).parent / "results"
console = Console(stderr=True, highlight=False)


@dataclass
class Line:
    """One model as it goes on: its network, and the last exact one with what was trained on."""

    shelf: Shelf
    exact: nn.Module
    network: nn.Module
    steering: Table
    gone: list[str] = field(default_factory=list)
    rounds: int = 0

    @property
    def kept(self) -> Samples:
        return without(self.shelf.pool, self.gone)


@dataclass(frozen=True)
class Checked:
    """After so many rounds: the test score, and those of retrains on what was left."""

    rounds: int
    retrained: int
    test: float
    band: tuple[float, ...]


def begun(folder: Path, data: str, samples: Samples) -> Line:
    """A generation: an exact network and its references."""
    recipe = recipe_of(data)
    shelf = Shelf(folder, recipe, samples, recipe.holdout())
    network, _ = shelf.trained("exact", samples, EXACT)
    steering = shelf.table("steering", PARTS, STEERING_ROUNDS, STEER, lambda _: None)
    return Line(shelf, network, network, steering)


def without(samples: Samples, gone: list[str]) -> Samples:
    left = set(gone)
    return samples.named(sample_id for sample_id in samples.ids if sample_id not in left)


def forget(line: Line, ids: list[str], way: str) -> Route:
    """One round; the line's network is replaced unless a retrain is due."""
    allowed = WAYS[way]
    restarts = way == "exact"
    asked = [*line.gone, *ids] if restarts else ids
    split = Split(
        line.shelf.pool.named(asked), without(line.kept, ids), line.shelf.holdout.validation
    )
    parent = line.exact if restarts else line.network
    known, recipe = line.steering.of(asked), line.shelf.recipe
    hardness = measure(
        parent,
        split,
        recipe,
        targets=targets(known),
        spread=spread(known),
        seed=line.rounds,
        progress=silent,
    )
    share = 0.0 if restarts else len(line.gone) / len(line.shelf.pool)
    spent = Budgets(line.rounds, share, allowed.max_rounds, allowed.max_share)
    route = decide(hardness, CHEAP, spent, Policy()).route
    if route is Route.HAMU:
        try:
            aims = targets(known)
            made = hamu(parent, split, recipe, seed=line.rounds, progress=silent, targets=aims)
            line.network = made.network
        except Diverged:
            return Route.RETRAIN
    line.gone.extend(ids)
    line.rounds += 1
    return route


def stream(data: str, way: str, folder: Path, people: int) -> Iterator[Checked]:
    """All rounds of one way."""
    recipe = recipe_of(data)
    pool = recipe.pool()
    order = sorted(set(pool.owners))
    Random(ORDER).shuffle(order)
    line, retrained, gone = begun(folder / "generation-0", data, pool), 0, list[str]()
    for done in range(1, ROUNDS + 1):
        ids = of_people(pool, order[(done - 1) * people : done * people])
        console.print(f"{data}, {way}: round {done}, {retrained} retrains", end="\r")
        route = forget(line, ids, way)
        gone += ids
        if route is Route.RETRAIN:
            retrained += 1
            line = begun(folder / f"{way}-{done}", data, without(pool, gone))
        if done % CHECKED_EVERY == 0:
            yield Checked(
                done,
                retrained,
                score(line, line.network),
                band(line, without(pool, gone), folder, done),
            )


def band(line: Line, left: Samples, folder: Path, done: int) -> tuple[float, ...]:
    """Test scores of retrains on what is left."""
    shelf = replace(line.shelf, folder=folder / "band")
    return tuple(
        score(line, shelf.trained(f"{done}-{seed}", left, BAND + seed)[0])
        for seed in range(RETRAINS)
    )


def score(line: Line, network: nn.Module) -> float:
    test = line.shelf.holdout.test
    return float(evaluate(network, test, line.shelf.recipe.scores).mean())


def main(
    data: Annotated[list[str] | None, typer.Argument(help="careers, fashion, …")] = None,
    folder: Annotated[Path, typer.Option(help="Networks; found again by the next run.")] = Path(
        ".lacuna/bench-stream"
    ),
    people: Annotated[int, typer.Option(help="Who ask together in one round.")] = 1,
) -> None:
    """Carry fifty rounds of requests through one model, and hold it against retrains."""
    torch.set_num_threads(1)
    chosen = data or ["careers"]
    lines = [f"$ python -m benchmarks.stream {' '.join(chosen)} --people {people}", "", HEAD]
    for name in chosen:
        for way in WAYS:
            for checked in stream(name, way, folder / f"{name}-{people}", people):
                lines.append(row(name, way, checked))
                console.print(lines[-1])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "stream.txt").write_text("\n".join(lines) + "\n")


HEAD = f"{'':10} {'':10} rounds retrained   test  retrains          gap, points"


def row(data: str, way: str, checked: Checked) -> str:
    gap = 100 * (checked.test - mean(checked.band))
    return (
        f"{data:10} {way:10} {checked.rounds:>6} {checked.retrained:>9}  {checked.test:.3f}"
        f"  {mean(checked.band):.3f} ± {stdev(checked.band):.3f}   {gap:+6.2f}"
    )


if __name__ == "__main__":
    typer.run(main)
