"""How near references come to what retrained networks say of samples that neither ever saw.

The design of a reference table was chosen by this: which part of the people a reference leaves out,
and whether its values are moved by the mean difference from the served network on held-out samples:
not at all, wholly, or as far as a retrain would be moved (`models.reference_targets`).
Error and bias are in the scale log(e^loss - 1), against the mean of five retrains per forget set;
`retrain` is one retrain against the mean of the other four.

    python -m benchmarks.references digits
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.unlearning.cases import recipe_of
from benchmarks.unlearning.grid import BAND, STEER, forget_sets, name_of_retrain
from benchmarks.unlearning.networks import PARTS, STEERING_ROUNDS, Shelf
from models.data import Samples, Split
from models.reference_targets import targets_for
from models.references import Table, targets
from models.training import evaluate
from models.unlearning.targets import Aim, scaled

RESULTS = Path(__file__).parent / "results" / "references.txt"
FOLDER = Path(".lacuna/bench-unlearning")
HALVES_ROUNDS = 4  # as many references as of quarters
SETS = ("random 1 %", "random 5 %", "random 20 %", "one person", "memorized")


def doubt(losses: Tensor) -> Tensor:
    return scaled(Aim.CONFIDENCE, losses)


def lines(data: str, band: int) -> Iterator[str]:
    recipe = recipe_of(data)
    shelf = Shelf(FOLDER / data, recipe, recipe.pool(), recipe.holdout())
    served, _ = shelf.trained("all-0", shelf.pool, 0)
    unseen = doubt(evaluate(served, shelf.holdout.validation, recipe.losses)).mean()
    designs = {
        "halves": shelf.table("halves", 2, HALVES_ROUNDS, STEER, said),
        "quarters": shelf.table("steering", PARTS, STEERING_ROUNDS, STEER, said),
    }
    yield f"{data}: eight references each; {offsets(designs, unseen)}"
    yield f"{'forget set':<12} {'':<18} {'bias':>7} {'error':>7}"
    for case in forget_sets(data, shelf, said):
        if case.name not in SETS:
            continue
        gone = set(case.forget)
        forget = shelf.pool.named(case.forget)
        kept = shelf.pool.named(sample_id for sample_id in shelf.pool.ids if sample_id not in gone)
        split = Split(forget, kept, shelf.holdout.validation)
        truth = torch.stack(
            [retrained(shelf, case.name, kept, forget, seed) for seed in range(band)]
        )
        yield row(case.name, "retrain", truth[0] - truth[1:].mean(dim=0))
        for name, known in designs.items():
            due = doubt(targets(known.of(case.forget)))
            yield row(case.name, name, due - truth.mean(dim=0))
            moved = due + unseen - doubt(known.unseen).mean()
            yield row(case.name, f"{name}, moved", moved - truth.mean(dim=0))
            aimed = doubt(targets_for(served, split, recipe, known.of(case.forget)))
            yield row(case.name, f"{name}, aimed at", aimed - truth.mean(dim=0))


def retrained(shelf: Shelf, case: str, kept: Samples, forget: Samples, seed: int) -> Tensor:
    """What one network of the band says of the forgotten samples."""
    network, _ = shelf.trained(name_of_retrain(case, seed), kept, BAND + seed)
    return doubt(evaluate(network, forget, shelf.recipe.losses))


def offsets(designs: dict[str, Table], unseen: Tensor) -> str:
    told = (f"{name} err by {doubt(t.unseen).mean() - unseen:.2f}" for name, t in designs.items())
    return ", ".join(told) + " on held-out samples"


def row(case: str, name: str, gap: Tensor) -> str:
    return f"{case:<12} {name:<18} {gap.mean():+7.2f} {gap.abs().mean():7.2f}"


def said(words: str) -> None:
    sys.stderr.write(words + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--band", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    parts = ["\n".join(lines(data, given.band)) for data in given.data]
    command = f"$ python -m benchmarks.references {' '.join(given.data)} --band {given.band}"
    RESULTS.write_text("\n\n".join([command, *parts]) + "\n")


if __name__ == "__main__":
    main()
