"""Is the audit right where the truth is known, and are its tests as strict as they say?

Worlds of `known_answers.py`, each with its own samples and networks. First what the verdict is on
an untouched network, on an exact retrain and on one that was pushed too far, with a reference and
without; then how often tests reject a true retrain, at a nominal level of 5 % and, in the plot, at
others:

- `coins`: the randomisation test of riders, on canaries that the retrain never saw;
- `loss`, `spread`: the interval of an attack's leak, at 95 % for a level of 5 %, leaves out zero;
- `neighbours`: the interval of how much more those near to some samples changed than others does,
  in one more training on everybody.

What the worlds share is that an untouched network remembers. Where hardly anything is memorized,
attacks can hardly tell it from a retrain (`clean` in results/verdict_conformance.txt): only the
weights' movement tells there for sure that nothing was run.

    python -m benchmarks.conformance
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from benchmarks.known_answers import World, found
from models.auditing.coin_test import randomisation
from models.auditing.finding import Verdict
from models.auditing.intervals import Interval, clopper_pearson
from models.auditing.riders import Side

RESULTS = Path(__file__).parent / "results"
LEVEL = 0.05
LEVELS = (0.02, LEVEL, 0.1, 0.2, 0.3, 0.5)
LINE = "{:<10} {:<15} {:>5} {:>13} {:>9}   {:<12} {:<16} {}"
RATE = "{:<18} {:>9}   {:<16}  {}"
DUE = {
    "untouched": ("rejected", 0.99),
    "retrain": ("accepted", 0.95),
    "pushed on": ("rejected", 0.95),
    "not moved": ("rejected", 1.0),
}

Answers = dict[tuple[str, str], Verdict]
Rejected = dict[float, dict[str, bool]]  # by level and test
Seen = tuple[Answers, Rejected]


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


def rejections(world: World) -> Rejected:
    scores, sides = world.coins()
    side = np.array(sides)
    p = randomisation(scores[side == Side.RIDES], scores[side == Side.OUT], seed=world.seed)
    return {
        level: {"coins": p <= level}
        | {
            str(leak.attack): found(leak.after.interval)
            for leak in world.leaks_of_retrain(confidence=1 - level)
        }
        | {
            f"neighbours, {attack}": found(excess)
            for attack, excess in world.exposed_by_nothing(confidence=1 - level).items()
        }
        for level in LEVELS
    }


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


def rates(rejected: Sequence[Rejected]) -> dict[str, dict[float, Interval]]:
    """By test and level: how often a true retrain is rejected."""
    return {
        name: {
            level: clopper_pearson(
                sum(one[level][name] for one in rejected), len(rejected), confidence=0.95
            )
            for level in LEVELS
        }
        for name in rejected[0][LEVEL]
    }


def calibration(found: Mapping[str, Mapping[float, Interval]]) -> str:
    """How often each nominal 5 % test rejects a true retrain."""
    lines = [RATE.format("test", "rejects", "95 % interval", "due")]
    for name, by_level in found.items():
        rate = by_level[LEVEL]
        told = f"{rate.low:.3f} to {rate.high:.3f}"
        due = "0.07 at most" if name.startswith("neighbours") else "0.03 to 0.07"
        lines.append(RATE.format(name, f"{rate.estimate:.3f}", told, due))
    return "\n".join(lines)


def draw(found: Mapping[str, Mapping[float, Interval]], file: Path) -> None:
    """Rejected true retrains against the level: on the diagonal a test is as strict as it says."""
    mpl.rcParams["svg.hashsalt"] = "lacuna"  # the same rates give the same bytes
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    panel = figure.subplots()
    panel.plot([0, 0.6], [0, 0.6], color="0.6", linestyle=":", label="as strict as it says")
    for place, (name, by_level) in enumerate(found.items()):
        ends = [(rate.estimate - rate.low, rate.high - rate.estimate) for rate in by_level.values()]
        panel.errorbar(
            [level * (1 + 0.03 * (place - 2)) for level in by_level],
            [rate.estimate for rate in by_level.values()],
            yerr=np.array(ends).T,
            fmt="o",
            capsize=3,
            label=name,
        )
    panel.set_xlabel("nominal level")
    panel.set_ylabel("true retrains rejected, with 95 % intervals")
    panel.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.worlds)
    with get_context("spawn").Pool(args.workers) as workers:
        done = workers.imap(one_world, seeds, chunksize=4)
        shown = track(done, "worlds", total=len(seeds), console=Console(stderr=True))
        seen = list(shown)
    strict = rates([rejected for _, rejected in seen])
    text = "\n\n".join(
        [
            f"$ python -m benchmarks.conformance {' '.join(sys.argv[1:])}".rstrip(),
            f"{args.worlds} worlds from {args.first}",
            known_answers(given for given, _ in seen),
            f"Nominal level {LEVEL}, true retrains only:\n\n" + calibration(strict),
        ]
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "conformance.txt").write_text(text + "\n")
    draw(strict, RESULTS / "conformance.svg")


if __name__ == "__main__":
    main()
