"""Runs the grid, one row after another, and keeps each row: a stopped run goes on where it was."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.unlearning import clock, fastest
from benchmarks.unlearning.cases import FOR_A_GPU, Case, cases, recipe_of, sets_on
from benchmarks.unlearning.measured import judged, tow, worth
from benchmarks.unlearning.methods import Known, Settings, Way, ways_on
from benchmarks.unlearning.networks import CPU, JUDGING_ROUNDS, PARTS, STEERING_ROUNDS, Shelf
from benchmarks.unlearning.rows import Rows, Told, of
from models.data import Split
from models.decision_terms import Route
from models.diverged import Diverged
from models.hardness.measure import measure
from models.progress import silent
from models.reference_predictions import Average, Predictions, expected
from models.reference_targets import lead_over, targets_for
from models.references import Table, spread, targets, targets_of_one
from models.training import best_device
from models.unlearning.contract import Unlearned
from models.unlearning.retrain import trace_of

# Seeds that have nothing in common.
DRAW, STEER, JUDGE, BAND, TUNING, CHOOSE = 1, 10_000, 20_000, 30_000, 40_000, 60_000
TUNED_ON, TUNING_SET = "random 5 %", "tuning"
UNTOUCHED, RETRAIN, HARDNESS = "untouched", "retrain", "hardness"
UNNAMED = "… not named one"  # a retrain whose audit is not told how it was made

# What an audit is told of the network before it; of all ways to unlearn it asks the same.
ROUTES = {UNTOUCHED: Route.NONE, RETRAIN: Route.RETRAIN}


@dataclass(frozen=True)
class Comparison:
    """One data set with its networks, its forget sets and its references."""

    data: str
    shelf: Shelf
    steering: Table
    predictions: tuple[Predictions, ...]  # of the references that steer
    judging: Table
    rows: Rows
    told: Told


def open_comparison(data: str, folder: Path, told: Told) -> Comparison:
    """Read the data; train and score the references."""
    recipe = recipe_of(data)
    device = best_device() if data in FOR_A_GPU else CPU
    shelf = Shelf(folder / data, recipe, recipe.pool(), recipe.holdout(), device)
    return Comparison(
        data=data,
        shelf=shelf,
        steering=shelf.table("steering", PARTS, STEERING_ROUNDS, STEER, told),
        predictions=shelf.predictions("steering", PARTS, STEERING_ROUNDS, STEER, told),
        judging=shelf.table("judging", PARTS, JUDGING_ROUNDS, JUDGE, told),
        rows=Rows(folder / f"{data}.jsonl"),
        told=told,
    )


def prepare(comparison: Comparison, *, band: int) -> None:
    """What the rows of all seeds need: the band of each forget set, and the baselines' settings."""
    drawn = forget_sets(comparison.data, comparison.shelf, comparison.told)
    for case in drawn:
        for seed in range(band):
            retrained(comparison, case, seed)
    tune(comparison, next(case for case in drawn if case.name == TUNED_ON))
    fastest.search(comparison.shelf, comparison.rows, comparison.told)


def carry_out(comparison: Comparison, name: str, seed: int) -> None:
    """Every way on the forget set of this name, from one network; once all is prepared."""
    drawn = forget_sets(comparison.data, comparison.shelf, comparison.told)
    case = next(case for case in drawn if case.name == name)
    assess(comparison, case, seed)
    compare(comparison, case, seed, ways_on(comparison.data))


def rows_of(data: str, *, seeds: int, band: int) -> int:
    """How many rows a data set comes to."""
    ways = ways_on(data)
    tuned = sum(len(way.settings) > 1 for way in ways)
    of_each_set = 2 * band + seeds * (len((UNTOUCHED, HARDNESS)) + len(ways))
    searched = len(fastest.SHARES) * len(fastest.SEEDS)
    return searched + tuned + len(sets_on(data)) * of_each_set


def forget_sets(data: str, shelf: Shelf, told: Told, *, draw: int = DRAW) -> list[Case]:
    """The cases of a data set.

    Neither who steers nor who judges chooses among samples: what it says of those it chose would be
    extreme.
    """
    choosing = shelf.table("choosing", PARTS, JUDGING_ROUNDS, CHOOSE, told)
    return cases(data, shelf.pool, choosing, seed=draw)


def tune(comparison: Comparison, case: Case) -> None:
    """Let each baseline choose its settings by its own measure, on a network of its own."""
    band = of(comparison.rows.all(), set=case.name, way=RETRAIN)
    parent, _ = comparison.shelf.trained("tuning", comparison.shelf.pool, TUNING)
    split = split_of(comparison, case)
    for way in ways_on(comparison.data):
        if len(way.settings) == 1 or comparison.rows.has(set=TUNING_SET, way=way.name):
            continue
        tried = []
        for settings in way.settings:
            comparison.told(f"tuning {way.name}: {dict(settings)}")
            made = attempt(comparison, case, way, settings, TUNING, parent, split)
            worth = None if made is None else worth_of(comparison, split, made.network)
            tried.append(-1.0 if worth is None else tow(worth, band))
        best = max(range(len(tried)), key=tried.__getitem__)
        comparison.rows.add(
            {
                "set": TUNING_SET,
                "way": way.name,
                "settings": dict(way.settings[best]),
                "tried": dict(zip(map(str, map(dict, way.settings)), tried, strict=True)),
            }
        )


def settings_of(comparison: Comparison, way: Way) -> Settings:
    """What was chosen for this data set; the only ones where there is no choice."""
    for row in of(comparison.rows.all(), set=TUNING_SET, way=way.name):
        return dict(row["settings"])
    return way.settings[0]


def retrained(comparison: Comparison, case: Case, seed: int) -> None:
    """One network of a band, and what an audit says that takes it for one that was unlearned."""
    key = {"set": case.name, "seed": seed}
    if comparison.rows.has(**key, way=UNNAMED):
        return
    split = split_of(comparison, case)
    comparison.told(f"{case.name}: retrain {seed + 1}")
    name = name_of_retrain(case.name, seed)
    network, seconds = comparison.shelf.trained(name, split.retain, BAND + seed)
    parent, _ = comparison.shelf.trained(f"all-{seed}", comparison.shelf.pool, seed)
    if not comparison.rows.has(**key, way=RETRAIN):
        steps = trace_of(comparison.shelf.recipe, len(split.retain)).steps
        add(comparison, case, RETRAIN, seed, parent, network, seconds=seconds, steps=steps)
    audited = audit_of(comparison, case, UNNAMED, parent, network)
    comparison.rows.add({**key, "way": UNNAMED, **audited})


def name_of_retrain(case: str, seed: int) -> str:
    """Under which the shelf keeps it."""
    return f"without {case} {seed}".replace(" ", "-")


def compare(comparison: Comparison, case: Case, seed: int, ways: Sequence[Way]) -> None:
    """These ways on one forget set and one network, and what it is worth left as it was."""
    parent, seconds = comparison.shelf.trained(f"all-{seed}", comparison.shelf.pool, seed)
    if not comparison.rows.has(set=case.name, way=UNTOUCHED, seed=seed):
        steps = trace_of(comparison.shelf.recipe, len(comparison.shelf.pool)).steps
        add(comparison, case, UNTOUCHED, seed, parent, parent, seconds=seconds, steps=steps)
    split = split_of(comparison, case)
    for way in ways:
        if not comparison.rows.has(set=case.name, way=way.name, seed=seed):
            comparison.told(f"{case.name}, seed {seed}: {way.name}")
            forget(comparison, case, way, seed, parent, split)


def assess(comparison: Comparison, case: Case, seed: int) -> None:
    """Measure what a decision would look at."""
    if comparison.rows.has(set=case.name, way=HARDNESS, seed=seed):
        return
    parent, _ = comparison.shelf.trained(f"all-{seed}", comparison.shelf.pool, seed)
    split, device = split_of(comparison, case), comparison.shelf.device
    known, started = comparison.steering.of(case.forget), clock.now(device)
    hardness = measure(
        parent,
        split,
        comparison.shelf.recipe,
        targets=targets_for(parent, split, comparison.shelf.recipe, known),
        spread=spread(known),
        seed=seed,
        progress=silent,
    )
    seconds = clock.now(device) - started
    facts = {"set": case.name, "way": HARDNESS, "seed": seed, "seconds": seconds}
    comparison.rows.add({**facts, "hardness": asdict(hardness)})


def forget(
    comparison: Comparison, case: Case, way: Way, seed: int, parent: nn.Module, split: Split
) -> None:
    """One way, timed."""
    settings, device = settings_of(comparison, way), comparison.shelf.device
    started = clock.now(device)
    made = attempt(comparison, case, way, settings, seed, parent, split)
    seconds = clock.now(device) - started
    if made is None:
        failed = {"set": case.name, "way": way.name, "seed": seed, "failed": "diverged"}
        comparison.rows.add({**failed, "seconds": seconds})
        return
    steps = made.trace.steps
    add(comparison, case, way.name, seed, parent, made.network, seconds=seconds, steps=steps)


def attempt(
    comparison: Comparison,
    case: Case,
    way: Way,
    settings: Settings,
    seed: int,
    parent: nn.Module,
    split: Split,
) -> Unlearned | None:
    """What a way makes; None where it diverged."""
    method = way.build(known(comparison, case, parent, split))
    recipe = comparison.shelf.recipe
    try:
        return method(parent, split, recipe, seed=seed, progress=silent, **settings)
    except Diverged:
        return None


def known(comparison: Comparison, case: Case, parent: nn.Module, split: Split) -> Known:
    """What references that steer say of the forget set."""
    of_forget = comparison.steering.of(case.forget)
    place = {sample_id: row for row, sample_id in enumerate(comparison.shelf.pool.ids)}
    rows = torch.tensor([place[sample_id] for sample_id in case.forget])
    theirs = [one.take(rows) for one in comparison.predictions]

    def distributions(average: Average) -> Tensor:
        return expected(theirs, of_forget.left_out, average=average)

    out = of_forget.left_out
    half = of_forget.references[: len(of_forget.references) // STEERING_ROUNDS]
    lead = lead_over(of_forget, parent, split, comparison.shelf.recipe)
    return Known(
        targets=lead.off(targets(of_forget)),
        as_said=targets(of_forget),
        of_one=lead.off(targets_of_one(of_forget, split.forget.owners)),
        of_half=lead.off(targets(Table(of_forget.ids, half))),
        mean_losses=lead.off(torch.where(out, of_forget.losses, 0).sum(dim=0) / out.sum(dim=0)),
        expected=distributions,
    )


def add(
    comparison: Comparison,
    case: Case,
    way: str,
    seed: int,
    parent: nn.Module,
    network: nn.Module,
    *,
    seconds: float,
    steps: int,
) -> None:
    """Measure and audit the network that a way made from its parent, and keep the row."""
    facts = {"set": case.name, "way": way, "seed": seed, "forgotten": len(case.forget)}
    audited = audit_of(comparison, case, way, parent, network)
    measured = worth_of(comparison, split_of(comparison, case), network)
    comparison.rows.add({**facts, "seconds": seconds, "steps": steps, **measured, **audited})


def audit_of(
    comparison: Comparison, case: Case, way: str, parent: nn.Module, network: nn.Module
) -> dict[str, Any]:
    """The verdict on the network that a way made from its parent."""
    shelf = comparison.shelf
    return judged(
        parent,
        network,
        split_of(comparison, case),
        shelf.holdout.test,
        shelf.recipe,
        comparison.judging,
        route=ROUTES.get(way, Route.HAMU),
    )


def worth_of(comparison: Comparison, split: Split, network: nn.Module) -> dict[str, float]:
    shelf = comparison.shelf
    return worth(network, split, shelf.holdout.test, shelf.recipe, comparison.judging).dictionary()


def split_of(comparison: Comparison, case: Case) -> Split:
    pool, gone = comparison.shelf.pool, set(case.forget)
    kept = [sample_id for sample_id in pool.ids if sample_id not in gone]
    return Split(pool.named(case.forget), pool.named(kept), comparison.shelf.holdout.validation)
