"""Is the audit right where the truth is known, and are its tests as strict as they say?

Worlds of `known_answers.py`, each with its own samples and networks. First what the verdict is on
an untouched network, on an exact retrain and on one that was pushed too far, with a reference and
without; then how often tests with a nominal level of 5 % reject a true retrain:

- `coins`: the randomisation test of riders, on canaries that the retrain never saw;
- `loss`, `spread`: the 95 % interval of an attack's leak leaves out zero.

What the worlds share is that an untouched network remembers. Where nothing is memorized, no attack
can tell it from a retrain, and it rightly passes (`clean` in results/verdict_conformance.txt): only
the weights' movement tells there that nothing was run.

    python -m benchmarks.conformance
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.known_answers import World, found
from models.auditing.coin_test import randomisation
from models.auditing.finding import Verdict
from models.auditing.intervals import clopper_pearson
from models.auditing.riders import Side

RESULTS = Path(__file__).parent / "results" / "conformance.txt"
LEVEL = 0.05
LINE = "{:<10} {:<15} {:>5} {:>13} {:>9}   {:<12} {:<16} {}"
RATE = "{:<10} {:>9}   {:<16}  {}"
DUE = {
    "untouched": ("rejected", 0.99),
    "retrain": ("accepted", 0.95),
    "pushed on": ("rejected", 0.95),
    "not moved": ("rejected", 1.0),
}

Answers = dict[tuple[str, str], Verdict]
Seen = tuple[Answers, dict[str, bool]]


def one_world(seed: int) -> Seen:
    """Every verdict of one world, and which nominal tests reject its true retrain."""
    torch.set_num_threads(1)
    world = World(seed)
    return answers(world), rejections(world)


def answers(world: World) -> Answers:
    """By yardstick and network: the verdict."""
    given: Answers = {}
    for referenced, yardstick in ((False, "held-out"), (True, "reference")):
        for name, network in (
            ("untouched", world.before),
            ("retrain", world.retrained),
            ("pushed on", world.pushed_on),
        ):
            given[yardstick, name] = world.verdict(network, referenced=referenced)
        still = world.verdict(world.retrained, referenced=referenced, moved=0.0)
        given[yardstick, "not moved"] = still
    return given


def rejections(world: World) -> dict[str, bool]:
    scores, sides = world.coins()
    side = np.array(sides)
    p = randomisation(scores[side == Side.RIDES], scores[side == Side.OUT], seed=world.seed)
    leaks = world.leaks_of_retrain(confidence=1 - LEVEL)
    return {"coins": p <= LEVEL} | {str(leak.attack): found(leak.after) for leak in leaks}


def known_answers(seen: Iterable[Answers]) -> str:
    """One line for each network and yardstick, with what is due of it."""
    counts: dict[tuple[str, str], Counter[Verdict]] = {}
    for given in seen:
        for key, verdict in given.items():
            counts.setdefault(key, Counter())[verdict] += 1
    lines = [LINE.format("yardstick", "network", *Verdict, "right", "95 % interval", "due")]
    for (yardstick, network), counted in counts.items():
        word, due = DUE[network]
        passed, count = counted[Verdict.PASS], counted.total()
        rate = clopper_pearson(
            passed if word == "accepted" else count - passed, count, confidence=0.95
        )
        verdicts = [counted[verdict] for verdict in Verdict]
        told = f"{rate.low:.3f} to {rate.high:.3f}"
        lines.append(
            LINE.format(
                yardstick, network, *verdicts, f"{rate.estimate:.3f}", told, f"{word} ≥ {due:.2f}"
            )
        )
    return "\n".join(lines)


def calibration(seen: Iterable[dict[str, bool]]) -> str:
    """How often each nominal 5 % test rejects a true retrain."""
    rejected = list(seen)
    lines = [RATE.format("test", "rejects", "95 % interval", "due")]
    for name in rejected[0]:
        hits = sum(one[name] for one in rejected)
        rate = clopper_pearson(hits, len(rejected), confidence=0.95)
        told = f"{rate.low:.3f} to {rate.high:.3f}"
        lines.append(RATE.format(name, f"{rate.estimate:.3f}", told, "0.03 to 0.07"))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.worlds)
    with get_context("spawn").Pool(args.workers) as workers:
        seen = list(workers.imap(one_world, seeds, chunksize=4))
    text = "\n\n".join(
        [
            f"$ python -m benchmarks.conformance {' '.join(sys.argv[1:])}".rstrip(),
            f"{args.worlds} worlds from {args.first}",
            known_answers(given for given, _ in seen),
            f"Nominal level {LEVEL}, true retrains only:\n\n"
            + calibration(rejected for _, rejected in seen),
        ]
    )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
