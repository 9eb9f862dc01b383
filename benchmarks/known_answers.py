"""Networks whose truth is known, small enough for many seeds in CI: what a verdict is tried on.

Sixteen overlapping measurements, one label in five wrong, learnt by heart by a network of some
thousand parameters in a tenth of a second. Movement is left out of what is judged, so that the
attacks have to find an untouched network by themselves.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from models.auditing.audit import gather
from models.auditing.evidence import Evidence, Leak
from models.auditing.finding import Verdict
from models.auditing.intervals import CONFIDENCE, Interval
from models.auditing.measuring import leaks
from models.auditing.neighbours import Speaker, neighbours
from models.auditing.riders import Canaries, Side, canary_scores
from models.auditing.signals import Heard, Said, audited_sets, listen
from models.auditing.verdict import Thresholds, judge
from models.data import Holdout, Samples, Split
from models.fresh import trained
from models.progress import silent
from models.recipe import Classifier
from models.training import Schedule, evaluate
from models.unlearning.retrain import retrain

CLASSES, WIDTH, WRONG = 4, 16, 0.2
POOL, HELD_OUT, FORGOTTEN = 300, 300, 60
CANARIES, EACH = 24, 2  # and samples of each: none of them was trained on by a retrain
FAR = 9.0  # a forget loss that no retrain has


def draw(count: int, *, seed: int, name: str) -> Samples:
    """Samples of a world; a label in five is wrong, so that there is something to memorize."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(CLASSES, (count,), generator=generator)
    wrong = torch.rand(count, generator=generator) < WRONG
    shift = torch.randint(1, CLASSES, (count,), generator=generator)
    labels = torch.where(wrong, (truth + shift) % CLASSES, truth)
    centres = 2.0 * F.one_hot(truth, WIDTH).float()
    inputs = centres + torch.randn(count, WIDTH, generator=generator)
    return Samples(tuple(f"{name}-{place}" for place in range(count)), (inputs, labels), labels)


def build() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, CLASSES))


recipe = Classifier(
    name="known-answers",
    network=build,
    read_pool=lambda: draw(POOL, seed=0, name="pool"),
    read_holdout=lambda: Holdout(
        draw(HELD_OUT, seed=1, name="validation"), draw(HELD_OUT, seed=2, name="test")
    ),
    schedule=Schedule(epochs=40, batch_size=64, peak_rate=0.2, weight_decay=0.0),
)


@dataclass(frozen=True)
class World:
    """One draw of pool and holdout, and the networks of it whose truth is known."""

    seed: int

    @cached_property
    def pool(self) -> Samples:
        return draw(POOL, seed=10 * self.seed, name="pool")

    @cached_property
    def split(self) -> Split:
        places = torch.arange(POOL)
        return Split(
            self.pool.take(places < FORGOTTEN),
            self.pool.take(places >= FORGOTTEN),
            draw(HELD_OUT, seed=10 * self.seed + 1, name="validation"),
        )

    @cached_property
    def test(self) -> Samples:
        return draw(HELD_OUT, seed=10 * self.seed + 2, name="test")

    @cached_property
    def sets(self) -> dict[str, Samples]:
        return audited_sets(self.split, self.test, seed=self.seed)

    @cached_property
    def before(self) -> nn.Module:
        """Trained on all: the untouched network."""
        return trained(recipe, self.pool, seed=self.seed, progress=silent)[0]

    @cached_property
    def again(self) -> nn.Module:
        """Trained on all by another seed: nobody left, so nobody is exposed by it."""
        return trained(recipe, self.pool, seed=40_000 + self.seed, progress=silent)[0]

    @cached_property
    def retrained(self) -> nn.Module:
        return self.anew(10_000)

    @cached_property
    def reference(self) -> Said:
        """What one more retrain says of every set."""
        return listen(self.anew(20_000), self.sets, recipe)

    def anew(self, first: int) -> nn.Module:
        """Trained from the beginning without the forgotten samples, by another seed."""
        return retrain(
            self.before, self.split, recipe, seed=first + self.seed, progress=silent
        ).network

    @cached_property
    def pushed_on(self) -> nn.Module:
        """Driven to a forget loss far above a retrain's, the retain set held."""
        student = deepcopy(self.before)
        optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
        for _ in range(100):
            held = recipe.losses(student, self.split.retain.batch).mean()
            owed = F.relu(FAR - recipe.losses(student, self.split.forget.batch)).mean()
            optimizer.zero_grad()
            (held + owed).backward()
            optimizer.step()
        return student.eval()

    @cached_property
    def said_before(self) -> Said:
        return listen(self.before, self.sets, recipe)

    @cached_property
    def said_retrained(self) -> Said:
        return listen(self.retrained, self.sets, recipe)

    def verdict(self, network: nn.Module, *, referenced: bool, moved: float = 1.0) -> Verdict:
        """What the audit says of a network that is passed off as the result of a run."""
        return judge(
            self.evidence(network, referenced=referenced, moved=moved), Thresholds()
        ).verdict

    def evidence(self, network: nn.Module, *, referenced: bool, moved: float = 1.0) -> Evidence:
        heard = Heard(
            self.said_before,
            listen(network, self.sets, recipe),
            (self.reference,) if referenced else (),
        )
        return gather(heard, self.split, route="hamu", moved=moved, confidence=CONFIDENCE)

    def coins(self) -> tuple[np.ndarray, list[Side]]:
        """Scores that a true retrain gives canaries it never saw, and coins that know nothing."""
        count = CANARIES * EACH
        samples = draw(count, seed=10 * self.seed + 3, name="canary")
        chance = np.random.default_rng(self.seed)
        sides = [Side.RIDES] * (CANARIES // 2) + [Side.OUT] * (CANARIES // 2)
        order = chance.permutation(CANARIES)
        canaries = Canaries(samples, np.arange(count) // EACH, tuple(sides[p] for p in order))
        losses = evaluate(self.retrained, samples, recipe.losses).double().numpy()
        unseen = listen(self.retrained, {"validation": self.split.validation}, recipe)
        return canary_scores(losses, canaries, unseen["validation"]), list(canaries.sides)

    def leaks_of_retrain(self, *, confidence: float) -> tuple[Leak, ...]:
        """What attacks find on a true retrain, less chance."""
        heard = Heard(self.said_before, self.said_retrained)
        return leaks(heard, self.split, confidence=confidence)

    def exposed_by_nothing(self, *, confidence: float) -> dict[str, Interval]:
        """By attack: how much more neighbours than others changed, though nobody left."""
        unseen = {"validation": self.split.validation}
        before, after = (
            Speaker(network, listen(network, unseen, recipe)["validation"])
            for network in (self.before, self.again)
        )
        told = neighbours(
            before, {"again": after}, self.split, recipe, seed=self.seed, confidence=confidence
        )
        assert told is not None
        return {one.attack: one.excess for one in told.exposures}


def found(interval: Interval) -> bool:
    """Whether it leaves out zero."""
    return interval.low > 0 or interval.high < 0
