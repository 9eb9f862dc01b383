"""Known answers for the audit where samples belong to people: networks that never saw them.

Reference networks that left people out play the served network, and others that left them out
judge. Nothing can leak, so every escalation is a false alarm. The forget sets are whole people,
drawn at random; the references are those of the comparison (`python -m benchmarks.unlearning`),
trained here where they are not there yet. with: the intervals allow for how people vary; without:
as if every sample erred by itself.

    python -m benchmarks.verdict_people careers digits
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch

from benchmarks.unlearning.cases import of_people, recipe_of
from benchmarks.unlearning.grid import Comparison, open_comparison
from models.auditing.evidence import Drop, Evidence, Leak
from models.auditing.intervals import CONFIDENCE, Interval
from models.auditing.judges import judges
from models.auditing.measuring import leaks, plain_leaks
from models.auditing.signals import Heard, Said, listen
from models.auditing.verdict import Thresholds, judge
from models.data import Split
from models.references import Table

FOLDER = Path(".lacuna/bench-unlearning")
RESULTS = Path(__file__).parent / "results" / "verdict_people.txt"
PEOPLE = (2, 4, 8, 20)
DRAWS = 100
PARTS = 4
NO_DROP = Drop("test", "parent", Interval(0.0, 0.0, 0.0), whole=True)  # not in question here
HEAD = f"{'':10} people samples            pass inconclusive escalate"


@dataclass(frozen=True)
class Strangers:
    """A data set with its references, and what the parent says of it."""

    comparison: Comparison
    parent: Said

    def heard(self, ids: list[str], table: Table) -> Heard:
        """What an audit hears where the served network is a voice of the table.

        It stands for its parent too, on held-out samples: both saw three quarters of the people.
        """
        shelf, judging = self.comparison.shelf, self.comparison.judging
        forget, validation = shelf.pool.named(ids), shelf.holdout.validation
        place = {name: index for index, name in enumerate(shelf.pool.ids)}
        mine = np.array([place[name] for name in ids])
        served = judges(table.of(ids), forget, validation)[0]
        return Heard(
            served | {"forget": self.parent["pool"].rows(mine)},
            served,
            judges=judges(judging.of(ids), forget, validation),
        )

    def verdicts(self, ids: list[str], table: Table) -> dict[str, str]:
        """By the attacks, with allowance for people and without."""
        heard, shelf = self.heard(ids, table), self.comparison.shelf
        split = Split(shelf.pool.named(ids), shelf.pool, shelf.holdout.validation)
        return {
            "with": verdict(leaks(heard, split, confidence=CONFIDENCE), len(ids)),
            "without": verdict(plain_leaks(heard, confidence=CONFIDENCE), len(ids)),
        }


def verdict(found: tuple[Leak, ...], forgotten: int) -> str:
    evidence = Evidence("hamu", True, 1.0, forgotten, 1.0, found, (NO_DROP,))
    return judge(evidence, Thresholds()).verdict.value


def opened(data: str) -> Strangers:
    comparison = open_comparison(data, FOLDER, told)
    shelf = comparison.shelf
    network, _ = shelf.trained("all-0", shelf.pool, 0)
    return Strangers(comparison, listen(network, {"pool": shelf.pool}, recipe_of(data)))


def lines(data: str) -> Iterator[str]:
    """Per number of people: how often which verdict."""
    known, chance = opened(data), Random(0)
    pool, steering = known.comparison.shelf.pool, known.comparison.steering.references
    rounds = [
        Table(pool.ids, steering[first : first + PARTS]) for first in range(0, len(steering), PARTS)
    ]
    people = sorted(set(pool.owners))
    for count in PEOPLE:
        sets = [of_people(pool, chance.sample(people, count)) for _ in range(DRAWS)]
        seen: dict[str, Counter[str]] = {"with": Counter(), "without": Counter()}
        for ids in sets:
            for table in rounds:
                for name, said in known.verdicts(ids, table).items():
                    seen[name][said] += 1
        size = np.mean([len(ids) for ids in sets])
        for name, said_of in seen.items():
            yield (
                f"{data:10} {count:>6} {size:>7.0f}  {name:8} {said_of['pass']:>5}"
                f" {said_of['inconclusive']:>12} {said_of['escalate']:>8}"
            )


def told(doing: str) -> None:
    sys.stderr.write(f"{doing}\n")


def main() -> None:
    torch.set_num_threads(1)
    data = sys.argv[1:] or ["careers", "digits"]
    written = [f"$ python -m benchmarks.verdict_people {' '.join(data)}", "", HEAD]
    for name in data:
        written += lines(name)
    RESULTS.write_text("\n".join(written) + "\n")
    sys.stdout.write(RESULTS.read_text())


if __name__ == "__main__":
    main()
