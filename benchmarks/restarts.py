"""Rounds of forgetting: each from the version before, or all at once from the last exact one.

One person asks in each round. `parent`: every round starts from the network that the round before
made. `exact`: the last round starts from the trained network and forgets everybody who has asked;
references then have targets for the last person only, as what they said of the others went with
them. Gaps are to the mean of retrains without all of them, on everybody who has asked; the
attack is calibrated by references that steered nothing. Cost is of all rounds, in processor seconds
over a retrain's; `exact` pays for each round's restart.

    python -m benchmarks.restarts digits careers
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import mean

import torch
from torch import Tensor, nn

from benchmarks.unlearning import grid
from benchmarks.unlearning.measured import worth
from models.data import Split
from models.progress import silent
from models.reference_targets import targets_for
from models.unlearning.hamu import hamu

RESULTS = Path(__file__).parent / "results" / "restarts.txt"
FOLDER = Path(".lacuna/bench-unlearning")
ORDER, BAND = 77, 90_000
SHOWN = ("forget", "retain", "test", "doubt", "attack")

Worth = dict[str, float]


@dataclass(frozen=True)
class Stream:
    """People who ask one after the other, of a network that was trained on everybody."""

    comparison: grid.Comparison
    people: tuple[str, ...]
    seed: int

    def split(self, asking: Sequence[str], gone: Sequence[str]) -> Split:
        """The samples of those who ask, and of those who have not gone."""
        pool = self.comparison.shelf.pool
        pairs = list(zip(pool.ids, pool.owners, strict=True))
        return Split(
            pool.named(sample_id for sample_id, owner in pairs if owner in asking),
            pool.named(sample_id for sample_id, owner in pairs if owner not in gone),
            self.comparison.shelf.holdout.validation,
        )

    @property
    def whole(self) -> Split:
        return self.split(self.people, self.people)

    def worth(self, network: nn.Module) -> Worth:
        shelf, judges = self.comparison.shelf, self.comparison.judging
        return worth(network, self.whole, shelf.holdout.test, shelf.recipe, judges).dictionary()

    def aims(self, network: nn.Module, split: Split, known: Sequence[str]) -> Tensor:
        """Targets of the samples of these people, NaN of the others."""
        told = self.comparison.steering.of(split.forget.ids)
        due = targets_for(network, split, self.comparison.shelf.recipe, told)
        theirs = set(self.split(known, known).forget.ids)
        return torch.where(
            torch.tensor([sample_id in theirs for sample_id in split.forget.ids]), due, torch.nan
        )

    def forget(self, network: nn.Module, split: Split, known: Sequence[str] | None) -> nn.Module:
        """By our default; with references' targets for those who are known."""
        method = hamu if known is None else partial(hamu, targets=self.aims(network, split, known))
        recipe = self.comparison.shelf.recipe
        return method(network, split, recipe, seed=self.seed, progress=silent).network

    def parent(self, network: nn.Module, *, aimed: bool) -> nn.Module:
        """Round after round."""
        for done, person in enumerate(self.people, start=1):
            split = self.split([person], self.people[:done])
            network = self.forget(network, split, [person] if aimed else None)
        return network

    def exact(self, network: nn.Module, *, aimed: bool) -> nn.Module:
        """Every round from the start; what counts is the last."""
        made = network
        for done, person in enumerate(self.people, start=1):
            gone = self.people[:done]
            made = self.forget(network, self.split(gone, gone), [person] if aimed else None)
        return made


def streams(comparison: grid.Comparison, *, rounds: int, count: int) -> Iterator[Stream]:
    """Of different people each."""
    people = sorted(set(comparison.shelf.pool.owners))
    Random(ORDER).shuffle(people)
    for seed in range(count):
        yield Stream(comparison, tuple(people[seed * rounds : (seed + 1) * rounds]), seed)


def lines(data: str, *, rounds: int, count: int, band: int) -> Iterator[str]:
    comparison = grid.open_comparison(data, FOLDER, said)
    rows: dict[str, list[Worth]] = {}
    for stream in streams(comparison, rounds=rounds, count=count):
        said(f"{data}: stream {stream.seed + 1} of {count}")
        for way, row in gaps(stream, band=band):
            rows.setdefault(way, []).append(row)
    yield f"{data}: {count} streams of {rounds} people; mean gap, mean absolute gap of the attack"
    yield f"{'':16} " + " ".join(f"{name:>8}" for name in (*SHOWN, "|attack|", "cost"))
    for way, made in rows.items():
        cells = [mean(row[name] for row in made) for name in SHOWN]
        cells += [mean(abs(row["attack"]) for row in made), mean(row["cost"] for row in made)]
        yield f"{way:16} " + " ".join(f"{cell:+8.3f}" for cell in cells)


def gaps(stream: Stream, *, band: int) -> Iterator[tuple[str, Worth]]:
    """What each way is worth after the last round, less what retrained networks are."""
    shelf, size = stream.comparison.shelf, len(stream.people)
    parent, _ = shelf.trained(f"all-{stream.seed}", shelf.pool, stream.seed)
    retrained = [
        shelf.trained(
            f"stream-{size}-{stream.seed}-{one}", stream.whole.retain, BAND + 10 * stream.seed + one
        )
        for one in range(band)
    ]
    due = [stream.worth(network) for network, _ in retrained]
    seconds = mean(took for _, took in retrained)
    ways: dict[str, Callable[[], nn.Module]] = {
        "parent, by rank": partial(stream.parent, parent, aimed=False),
        "exact, by rank": partial(stream.exact, parent, aimed=False),
        "parent, aimed": partial(stream.parent, parent, aimed=True),
        "exact, aimed": partial(stream.exact, parent, aimed=True),
    }
    for way, run in ways.items():
        started = time.process_time()
        network = run()
        cost = (time.process_time() - started) / seconds
        made = stream.worth(network)
        gap = {name: made[name] - mean(one[name] for one in due) for name in SHOWN}
        yield way, gap | {"cost": cost}


def said(words: str) -> None:
    sys.stderr.write(words + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=5)
    parser.add_argument("--band", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    parts = [
        "\n".join(lines(data, rounds=given.rounds, count=given.streams, band=given.band))
        for data in given.data
    ]
    command = (
        f"$ python -m benchmarks.restarts {' '.join(given.data)} --rounds {given.rounds}"
        f" --streams {given.streams} --band {given.band}"
    )
    RESULTS.write_text("\n\n".join([command, *parts]) + "\n")


if __name__ == "__main__":
    main()
