"""One person asks to be forgotten by a network that reads handwriting: are the audit's words true?

Omniglot, 160 people who really drew. One of the pool is forgotten, by our default and by a retrain;
the untouched network is passed off as a third. References of one set steer, those of the other
judge, and nobody rides. What is known to be true stands above what the audit says: whether a
network saw the samples, and what it says of them beside two networks that never did.

Processor seconds on one thread. What was trained is kept in .lacuna/one-person.

    python -m benchmarks.one_person
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import nn

from benchmarks.unlearning import omniglot
from benchmarks.unlearning.networks import Shelf
from models.auditing.audit import audit
from models.auditing.judges import judges, witnesses
from models.auditing.report import AuditReport
from models.auditing.verdict import Thresholds
from models.data import Split
from models.progress import silent
from models.reference_targets import targets_for
from models.references import Table
from models.training import evaluate
from models.unlearning.hamu import hamu

RESULTS = Path(__file__).parent / "results" / "one_person.txt"
FOLDER = Path(".lacuna/one-person")
PARTS, STEERING, JUDGING = 4, 500, 900  # of each set; and from where their seeds count
TRAINED, RETRAINED, AGAIN = 1, 11, 12
KNOWN = "  known: {}; loss {:.2f}, score {:.2f} on the forgotten, score {:.3f} on the test set"
DUE = 0.05


@dataclass(frozen=True)
class Candidate:
    """A network to be audited, and the truth about it."""

    name: str
    route: str
    network: nn.Module
    truth: str


@dataclass(frozen=True)
class Scene:
    """Whoever is forgotten, and the networks of which the truth is known."""

    shelf: Shelf
    split: Split
    judging: Table
    before: nn.Module

    def said(self, candidate: Candidate) -> Iterator[str]:
        """The truth, and after it the audit's words."""
        yield f"{candidate.name} (route {candidate.route})"
        yield KNOWN.format(candidate.truth, *self.facts(candidate.network))
        started = time.process_time()
        report = self.audited(candidate)
        yield f"  {report.verdict.upper()}, in {time.process_time() - started:.2f} s"
        yield from (f"  - {sentence}" for sentence in report.sentences)

    def facts(self, network: nn.Module) -> tuple[float, float, float]:
        """Mean loss and score of the forgotten, and mean score of the test set."""
        recipe, test = self.shelf.recipe, self.shelf.holdout.test
        asked = (
            (self.split.forget, recipe.losses),
            (self.split.forget, recipe.scores),
            (test, recipe.scores),
        )
        loss, score, served = (
            float(evaluate(network, samples, measure).mean()) for samples, measure in asked
        )
        return loss, score, served

    def audited(self, candidate: Candidate) -> AuditReport:
        return audit(
            self.before,
            candidate.network,
            self.split,
            self.shelf.holdout.test,
            self.shelf.recipe,
            route=candidate.route,
            judges=judges(self.judging, self.split.forget, self.split.validation),
            witnesses=witnesses(self.judging),
            seed=0,
            thresholds=Thresholds(),
            progress=silent,
        )


def split_of(shelf: Shelf, *, seed: int) -> tuple[Split, str]:
    """Everything of one person of the pool against everything of all others."""
    person = Random(seed).choice(sorted(set(shelf.pool.owners)))
    theirs = torch.tensor([owner == person for owner in shelf.pool.owners])
    return (
        Split(shelf.pool.take(theirs), shelf.pool.take(~theirs), shelf.holdout.validation),
        person,
    )


def told(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


def run(*, seed: int) -> Iterator[str]:
    """Train, forget, audit; a paragraph for each network."""
    recipe = omniglot.thorough
    pool = recipe.pool()
    shelf = Shelf(FOLDER, recipe, pool, recipe.holdout())
    split, person = split_of(shelf, seed=seed)
    before, _ = shelf.trained("all", pool, TRAINED)
    retrained, retrain_seconds = shelf.trained(f"without-{person}", split.retain, RETRAINED)
    again, _ = shelf.trained(f"without-{person}-again", split.retain, AGAIN)
    steering, judging = (
        shelf.table(name, PARTS, 1, first, told).of(split.forget.ids)
        for name, first in (("steering", STEERING), ("judging", JUDGING))
    )
    started = time.process_time()
    aims = targets_for(before, split, recipe, steering)
    unlearned = hamu(before, split, recipe, seed=seed, progress=silent, targets=aims).network
    hamu_seconds = time.process_time() - started
    scene = Scene(shelf, split, judging, before)
    started = time.process_time()
    scene.audited(Candidate("", "hamu", unlearned, ""))
    audit_seconds = time.process_time() - started
    yield (
        f"{person}: {len(split.forget)} drawings; {len(split.retain)} of others are kept. "
        f"{PARTS} references steer, {PARTS} judge."
    )
    yield (
        f"A retrain takes {retrain_seconds:.1f} s, HAMU {hamu_seconds:.1f} s, an audit "
        f"{audit_seconds:.2f} s: {audit_seconds / retrain_seconds:.1%} of a retrain "
        f"(due: at most {DUE:.0%})."
    )
    for candidate in (
        Candidate("untouched", "hamu", before, "it was trained on them, and nothing was run"),
        Candidate("HAMU", "hamu", unlearned, "it was trained on them, then made to forget"),
        Candidate("retrained", "hamu", retrained, "it never saw them, though that is not told"),
        Candidate("retrained", "retrain", again, "it never saw them"),
    ):
        yield "\n".join(scene.said(candidate))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    command = f"$ python -m benchmarks.one_person {' '.join(sys.argv[1:])}".rstrip()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n\n".join([command, *run(seed=args.seed)]) + "\n")


if __name__ == "__main__":
    main()
