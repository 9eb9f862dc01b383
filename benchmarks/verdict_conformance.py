"""Known answers for the audit's verdict: what it says of networks whose truth is known.

Over many seeds, each with its own draw of pool, validation and test from scikit-learn's digits:

- `untouched`: the network before, passed off as the result of a run. Must not pass.
- `retrain`: trained afresh without the forgotten samples, passed off as a run. Must pass.
- `over-forgotten`: driven on until the forget loss is far above a retrain's. Must not pass.

Movement is not among what is judged here: the attacks have to find out by themselves. Tasks:
`overfit` is the shipped recipe with one label in five wrong, held-out ones too; `digits` the
shipped recipe; `clean` the same without noise, of which networks remember hardly anything, so that
an untouched one may pass: mostly beside held-out samples, less often beside a reference.

The thresholds were chosen on seeds 0 to 27. Tried on seeds 100 to 149 they passed 97 % of retrains,
but of `overfit` ones beside a reference only 44 and 46 of 50; `paired_share` was then raised from
2/3 to 5/6, once, and the table is of seeds that neither choice had seen:

    python -m benchmarks.verdict_conformance --seeds 50 --first 200
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from sklearn.datasets import load_digits
from torch import Tensor, nn

from models import fresh
from models.auditing.audit import gather
from models.auditing.evidence import Evidence
from models.auditing.finding import Verdict
from models.auditing.intervals import CONFIDENCE, clopper_pearson
from models.auditing.signals import Heard, audited_sets, listen
from models.auditing.verdict import Thresholds, judge
from models.data import Samples, Split
from models.progress import silent
from models.recipe import labelled
from models.recipes import digits
from models.recipes.digits import recipe
from models.seeding import seeded
from models.unlearning.retrain import retrain

RESULTS = Path(__file__).parent / "results" / "verdict_conformance.txt"
FORGOTTEN = (60, 200)
WRONG_LABELS = 0.2
LINE = "{:<8} {:>9}  {:<9}  {:<14} {:>6} {:>5}  {:>4} {:>12} {:>8}  {:>6}  {}"


@dataclass(frozen=True)
class Outcome:
    """What is known of one network, by one yardstick."""

    task: str
    network: str
    evidence: Evidence

    @property
    def key(self) -> tuple[str, int, str, str]:
        """The line of the table that it belongs to."""
        leak = self.evidence.leaks[0]
        return (self.task, self.evidence.forgotten, leak.yardstick, self.network)


def samples_of(task: str) -> Samples:
    """All samples of a task; the ids are those of the shipped recipe."""
    everything = digits.read()
    images, labels = labelled(everything.batch)
    if task == "clean":
        images = clean_images(everything.ids)
    if task == "overfit":
        labels = wrong_labels(labels)
    return Samples(everything.ids, (images, labels), labels)


def clean_images(ids: tuple[str, ...]) -> Tensor:
    """The images before the recipe's noise."""
    pixels, _ = load_digits(return_X_y=True)
    places = [int(sample_id.removeprefix("digits-")) for sample_id in ids]
    return torch.from_numpy(pixels[places]).float() / 16


def wrong_labels(labels: Tensor) -> Tensor:
    """One label in five replaced by another."""
    chance = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(labels), generator=chance) < WRONG_LABELS
    shift = torch.randint(1, 10, labels.shape, generator=chance)
    return torch.where(wrong, (labels + shift) % 10, labels)


def trained(samples: Samples, *, seed: int) -> nn.Module:
    """A network by the recipe."""
    return fresh.trained(recipe, samples, seed=seed, progress=silent)[0]


def pushed_on(network: nn.Module, split: Split, *, seed: int) -> nn.Module:
    """Driven to a forget loss of 10, the retain set held: a retrain's is 1 to 4."""
    student = deepcopy(network)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    with seeded(seed) as generator:
        for _ in range(200):
            rows = torch.randperm(len(split.retain), generator=generator)[:128]
            held = recipe.losses(student, split.retain.rows(rows)).mean()
            owed = F.relu(10 - recipe.losses(student, split.forget.batch)).mean()
            optimizer.zero_grad()
            (held + owed).backward()
            optimizer.step()
    return student.eval()


def outcomes(task: str, seed: int) -> Iterator[Outcome]:
    """Every network of one seed, at every size of forget set, by either yardstick."""
    torch.set_num_threads(1)
    everything = samples_of(task)
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(seed))
    pool, validation, test = (
        everything.take(rows)
        for rows in order.split(
            [digits.POOL, digits.VALIDATION, len(order) - digits.POOL - digits.VALIDATION]
        )
    )
    before = trained(pool, seed=1000 + seed)
    for forgotten in FORGOTTEN:
        split = Split(
            pool.take(torch.arange(forgotten)),
            pool.take(torch.arange(forgotten, len(pool))),
            validation,
        )
        yield from judged(task, split, test, before, seed=seed)


def judged(
    task: str, split: Split, test: Samples, before: nn.Module, *, seed: int
) -> Iterator[Outcome]:
    """The three networks, with one reference network and with none."""
    exact, reference = (
        retrain(before, split, recipe, seed=first + seed, progress=silent).network
        for first in (2000, 3000)
    )
    sets = audited_sets(split, test, seed=seed)
    parent, yardstick = listen(before, sets, recipe), listen(reference, sets, recipe)
    networks = {
        "untouched": before,
        "retrain": exact,
        "over-forgotten": pushed_on(before, split, seed=seed),
    }
    for name, network in networks.items():
        said = listen(network, sets, recipe)
        for references in ((), (yardstick,)):
            heard = Heard(parent, said, references)
            evidence = gather(heard, split, route="hamu", moved=1.0, confidence=CONFIDENCE)
            yield Outcome(task, name, evidence)


def one_seed(job: tuple[str, int]) -> list[Outcome]:
    """A job for the pool of processes."""
    return list(outcomes(*job))


def table(found: list[Outcome]) -> str:
    """One line per known answer: the loss attack's leak, verdicts, the rate of passes."""
    head = ("task", "forgotten", "yardstick", "network", "leak", "sd", "pass", "inconclusive")
    lines = [LINE.format(*head, "escalate", "passes", "95 % interval")]
    for key in sorted({one.key for one in found}):
        mine = [one for one in found if one.key == key]
        verdicts = Counter(judge(one.evidence, Thresholds()).verdict for one in mine)
        leaks = np.array([one.evidence.leaks[0].after.interval.estimate for one in mine])
        rate = clopper_pearson(verdicts[Verdict.PASS], len(mine), confidence=0.95)
        lines.append(
            LINE.format(
                *key,
                f"{leaks.mean():+.3f}",
                f"{leaks.std():.3f}",
                verdicts[Verdict.PASS],
                verdicts[Verdict.INCONCLUSIVE],
                verdicts[Verdict.ESCALATE],
                f"{rate.estimate:.2f}",
                f"{rate.low:.2f} to {rate.high:.2f}",
            )
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=["overfit", "digits", "clean"])
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    jobs = [(task, seed) for seed in seeds for task in args.tasks]
    with get_context("spawn").Pool(args.workers) as workers:
        done = workers.imap_unordered(one_seed, jobs)
        shown = track(done, "seeds of tasks", total=len(jobs), console=Console(stderr=True))
        found = [one for some in shown for one in some]
    text = "\n".join(
        [
            f"$ python -m benchmarks.verdict_conformance {' '.join(sys.argv[1:])}",
            f"{args.seeds} seeds from {args.first}, {Thresholds()}",
            "",
            table(found),
        ]
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
