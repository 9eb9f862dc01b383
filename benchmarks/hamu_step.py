"""What a HAMU step costs over its floor: two plain forward-backward passes of the same batches.

Per network the two take turns, and each step is timed by itself, in seconds of the processor (on a
GPU: of the wall). A round's ratio is that of the two medians; shown is the median of the rounds,
with its quartiles. What is done once for a run does not count.

    python -m benchmarks.hamu_step
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.unlearning import cifar, clock
from models.data import Holdout, Samples, Split
from models.recipe import Classifier
from models.training import Schedule, device_of
from models.unlearning.hamu import hamu

RESULTS = Path(__file__).parent / "results" / "hamu_step.txt"
STEPS, WARM, BATCH = 12, 2, 256  # in each round; how many of them are not counted
STEPPING: dict[str, Any] = {
    "seed": 0,
    "aim": "ascent",
    "share": 0.5,
    "rate": 1e-6,
    "most_rate": 1e-6,
    "trust": False,
    "mending": 0,
    "patience": STEPS + 1,
    "batch_size": BATCH,
    "forget_batch": BATCH,
}


@dataclass(frozen=True)
class Task:
    """A network and the shape of what goes into it."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]

    def recipe(self) -> Classifier:
        return Classifier(self.name, self.build, self.samples, self.holdout, Schedule(epochs=1))

    def samples(self) -> Samples:
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(10, (3 * BATCH,), generator=generator)
        inputs = torch.randn(3 * BATCH, *self.shape, generator=generator)
        ids = tuple(str(place) for place in range(len(labels)))
        return Samples(ids, (inputs, labels), labels)

    def holdout(self) -> Holdout:
        return Holdout(self.samples(), self.samples())

    def split(self) -> Split:
        every = self.samples()
        forget, retain, validation = (
            every.take(rows) for rows in torch.arange(3 * BATCH).split(BATCH)
        )
        return Split(forget, retain, validation)


def wide() -> nn.Module:
    return nn.Sequential(
        nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )


def convolutions() -> nn.Module:
    """Twelve layers of 32 to 128 channels, 0.8 M parameters in 40 tensors."""
    layers: list[nn.Module] = []
    channels = 3
    for width in (32, 64, 128):
        for _ in range(4):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 10))


TASKS = (Task("wide layers", wide, (512,)), Task("convolutions", convolutions, (3, 16, 16)))
FOR_A_GPU = (Task("ResNet-18", cifar.network, (3, 32, 32)),)


def floor(network: nn.Module, recipe: Classifier, split: Split, tick: Callable[[], None]) -> None:
    """Nothing but the passes: the same batches, forward and backward."""
    for _ in range(STEPS):
        tick()
        for part in (split.retain, split.forget):
            rows: Tensor = torch.arange(BATCH)
            batch = part.rows(rows, device=device_of(network))
            loss = recipe.losses(network, batch).mean()
            torch.autograd.grad(loss, tuple(network.parameters()))


def seconds(run: Callable[[Callable[[], None]], object], device: torch.device) -> float:
    """Of a step of this run, which ticks before each: the median."""
    began: list[float] = []
    run(lambda: began.append(clock.now(device)))
    return median(later - sooner for sooner, later in pairwise(began[WARM:]))


def ratios(task: Task, metric: str, rounds: int, device: torch.device) -> list[float]:
    """Step over floor, round by round."""
    recipe, split = task.recipe(), task.split()
    torch.manual_seed(0)
    network = recipe.build().to(device).eval()

    def step(tick: Callable[[], None]) -> None:
        def progress(share: float, doing: str) -> None:
            tick()

        hamu(network, split, recipe, steps=STEPS, metric=metric, progress=progress, **STEPPING)

    plain = partial(floor, network, recipe, split)
    return [seconds(step, device) / seconds(plain, device) for _ in range(rounds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--gpu", action="store_true", help="on it, and a ResNet-18 as well")
    asked = parser.parse_args()
    rounds, device = asked.rounds, torch.device("cuda" if asked.gpu else "cpu")
    torch.set_num_threads(1)
    lines = [
        f"$ python -m benchmarks.hamu_step {' '.join(sys.argv[1:])}".rstrip(),
        "A step over two plain forward-backward passes: quartiles of the rounds.",
        "",
        f"{'network':<14} {'metric':<7} {'lower':>6} {'median':>6} {'upper':>6}",
    ]
    for task in TASKS + (FOR_A_GPU if asked.gpu else ()):
        for metric in ("plain", "adam", "fisher"):
            lower, median, upper = quantiles(ratios(task, metric, rounds, device), n=4)
            lines.append(f"{task.name:<14} {metric:<7} {lower:6.3f} {median:6.3f} {upper:6.3f}")
            sys.stdout.write(lines[-1] + "\n")
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
