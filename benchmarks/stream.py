"""Fifty requests one after another on one model: does it stay as good as a retrain?

Every round some people ask, hardness is measured, the service's own decision chooses, and HAMU with
reference targets or a retrain follows. After every tenth round the network is held against networks
retrained on what is left. Three ways to carry on:

- parent: from the last version, within a model's default drift budgets; a spent one retrains, and
  that begins a generation with references of its own;
- exact: always from the last exact version, with all that was forgotten since, same budgets;
- unbounded: from the last version, whatever was spent.

The audit's word is not followed here, or it would hide drift by retraining; nor is what it could
not settle retrained at once, as `on_inconclusive` has it by default where few samples are named.

One stream says little: retrains on the same samples differ among themselves. `--streams` runs
several, each with networks and an order of people of its own, and says how far off their mean is;
`--others` fewer of the ways that are no model's default.

    python -m benchmarks.stream digits --streams 20 --others 5
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Annotated

import torch
import typer
from rich.console import Console
from scipy.stats import t
from torch import nn

from app.ledger.policy import Policy
from benchmarks.unlearning.cases import of_people, recipe_of
from benchmarks.unlearning.networks import PARTS, STEERING_ROUNDS, Shelf
from models.data import Samples, Split
from models.decision import decide
from models.decision_terms import Budgets, Costs, Route
from models.decision_terms import Policy as Choices
from models.diverged import Diverged
from models.hardness.measure import measure
from models.progress import silent
from models.reference_targets import targets_for
from models.references import Table, spread
from models.training import evaluate
from models.unlearning.hamu import hamu

ROUNDS, CHECKED_EVERY, RETRAINS = 50, 10, 3
DEFAULT = Policy()
DEFAULT_WAY = "parent"
# Most rounds, and the largest share of what was trained on, between two exact versions.
WAYS = {
    DEFAULT_WAY: (DEFAULT.max_rounds, DEFAULT.max_forgotten_share),
    "exact": (DEFAULT.max_rounds, DEFAULT.max_forgotten_share),
    "unbounded": (10**9, 1.0),
}
CHEAP = Costs(
    retrain=1.0, unlearn=0.1, audit=0.0, assess=0.0, p_escalate=0.0
)  # drift is in question
EXACT, STEER, BAND, ORDER, PER_STREAM = 0, 10_000, 30_000, 7, 1_000  # of seeds
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

    @property
    def gap(self) -> float:
        """Points by which it is better than retrains."""
        return 100 * (self.test - mean(self.band))


def begun(folder: Path, data: str, samples: Samples, which: int) -> Line:
    """A generation of this stream: an exact network and its references."""
    recipe = recipe_of(data)
    shelf = Shelf(folder, recipe, samples, recipe.holdout())
    network, _ = shelf.trained("exact", samples, EXACT + which)
    first = STEER + which * PER_STREAM
    steering = shelf.table("steering", PARTS, STEERING_ROUNDS, first, lambda _: None)
    return Line(shelf, network, network, steering)


def without(samples: Samples, gone: list[str]) -> Samples:
    left = set(gone)
    return samples.named(sample_id for sample_id in samples.ids if sample_id not in left)


def forget(line: Line, ids: list[str], way: str) -> Route:
    """One round; the line's network is replaced unless a retrain is due."""
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
        targets=(aims := targets_for(parent, split, recipe, known)),
        spread=spread(known),
        seed=line.rounds,
        progress=silent,
    )
    share = 0.0 if restarts else len(line.gone) / len(line.shelf.pool)
    spent = Budgets(line.rounds, share, *WAYS[way])
    route = decide(hardness, CHEAP, spent, Choices()).route
    if route is Route.HAMU:
        try:
            made = hamu(parent, split, recipe, seed=line.rounds, progress=silent, targets=aims)
            line.network = made.network
        except Diverged:
            return Route.RETRAIN
    line.gone.extend(ids)
    line.rounds += 1
    return route


def stream(data: str, way: str, folder: Path, people: int, which: int) -> Iterator[Checked]:
    """All rounds of one way, in the stream of this number."""
    recipe = recipe_of(data)
    pool = recipe.pool()
    order = sorted(set(pool.owners))
    Random(ORDER + which).shuffle(order)
    line, retrained, gone = begun(folder / "generation-0", data, pool, which), 0, list[str]()
    for done in range(1, ROUNDS + 1):
        ids = of_people(pool, order[(done - 1) * people : done * people])
        console.print(f"{data} {which}, {way}: round {done}, {retrained} retrains", end="\r")
        route = forget(line, ids, way)
        gone += ids
        if route is Route.RETRAIN:
            retrained += 1
            line = begun(folder / f"{way}-{done}", data, without(pool, gone), which)
        if done % CHECKED_EVERY == 0:
            yield Checked(
                done,
                retrained,
                score(line, line.network),
                band(line, without(pool, gone), folder, done, which),
            )


def band(line: Line, left: Samples, folder: Path, done: int, which: int) -> tuple[float, ...]:
    """Test scores of retrains on what is left."""
    shelf, first = replace(line.shelf, folder=folder / "band"), BAND + which * PER_STREAM
    return tuple(
        score(line, shelf.trained(f"{done}-{seed}", left, first + seed)[0])
        for seed in range(RETRAINS)
    )


def score(line: Line, network: nn.Module) -> float:
    test = line.shelf.holdout.test
    return float(evaluate(network, test, line.shelf.recipe.scores).mean())


def main(
    data: Annotated[str, typer.Argument(help="careers, digits, fashion, …")] = "careers",
    folder: Annotated[Path, typer.Option(help="Networks; found again by the next run.")] = Path(
        ".lacuna/bench-stream"
    ),
    people: Annotated[int, typer.Option(help="Who ask together in one round.")] = 1,
    streams: Annotated[int, typer.Option(help="Streams, each with networks of its own.")] = 1,
    others: Annotated[
        int | None, typer.Option(help="Streams of the ways that are no default, if fewer.")
    ] = None,
) -> None:
    """Carry fifty rounds of requests through models, and hold them against retrains."""
    torch.set_num_threads(1)
    fewer = streams if others is None else others
    told = f"$ python -m benchmarks.stream {' '.join(sys.argv[1:])}"
    seen: dict[str, list[list[Checked]]] = {way: [] for way in WAYS}
    for which in range(streams):
        own = folder / f"{data}-{people}" / str(which)
        for way in WAYS:
            if way == DEFAULT_WAY or which < fewer:
                seen[way].append(list(stream(data, way, own, people, which)))
        about = [line for way in WAYS for line in table(data, way, seen[way])]
        write(data, [told, "", HEAD, *about])


def write(data: str, lines: list[str]) -> None:
    """Keep what is known so far: a stream takes minutes."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"stream_{data}.txt").write_text("\n".join(lines) + "\n")
    console.print("\n".join(lines))


HEAD = f"{'':10} {'':10} streams rounds retrained   test  retrains   gap, points"


def table(data: str, way: str, streams: list[list[Checked]]) -> list[str]:
    """A line for each checkpoint, and one for all: means over the streams and how these scatter."""
    lines: list[str] = []
    if not streams:
        return lines
    for checked in zip(*streams, strict=True):
        gaps = [each.gap for each in checked]
        lines.append(
            f"{data:10} {way:10} {len(streams):>7} {checked[0].rounds:>6}"
            f" {mean(each.retrained for each in checked):>9.1f}"
            f"  {mean(each.test for each in checked):.3f}"
            f"     {mean(mean(each.band) for each in checked):.3f}   {scattered(gaps)}"
        )
    whole = [mean(each.gap for each in stream) for stream in streams]
    return [*lines, f"{data:10} {way:10} {len(streams):>7}    all {'':25}   {scattered(whole)}"]


def scattered(gaps: list[float]) -> str:
    """The mean, and where there are several its 95 % interval by Student's t."""
    if len(gaps) == 1:
        return f"{gaps[0]:+6.2f}"
    half = float(t.ppf(0.975, len(gaps) - 1)) * stdev(gaps) / len(gaps) ** 0.5
    return f"{mean(gaps):+6.2f} [{mean(gaps) - half:+.2f}, {mean(gaps) + half:+.2f}]"


if __name__ == "__main__":
    typer.run(main)
