"""Everything a decision looks at, measured on the parent version within a budget of samples."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.batch_losses import in_half_precision, require_losses_per_sample
from models.data import Samples, Split
from models.diverged import Diverged
from models.hardness.deficit import deficit
from models.hardness.entanglement import entanglement
from models.hardness.memorization import (
    ROUNDS,
    WATCHED,
    confidence_proxy,
    holdout_proxy,
    summary,
    tuned_on_holdout,
)
from models.hardness.reconciliation import reconciliation
from models.hardness.record import (
    Deficit,
    Entanglement,
    Hardness,
    Memorization,
    Proxy,
    Reconciliation,
    Scale,
)
from models.hardness.shares import shares
from models.progress import Progress
from models.recipe import Recipe
from models.training import PerSample, evaluate
from models.unlearning.targets import Aim, can_be_confidence, in_full, scaled

FEWEST_SAMPLES = 512
PART_OF_RETRAIN = 0.05  # of its time, at most
MOST_OF_A_SIDE = 10_000  # samples: memory grows with them, and the last ones tell little


def measure(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    confidences: Mapping[str, float] | None = None,
    targets: Tensor | None = None,
    spread: Tensor | None = None,
    quota: float = 0.5,
    seed: int,
    budget_samples: int | None = None,
    progress: Progress,
) -> Hardness:
    """Measure how hard it is to forget `split.forget`; the network is left as it was.

    `confidences`: what `recipe.fit` returned, by sample id; without it memorization is estimated
    by a short training on held-out samples. `targets` and `spread`: from references, `[N]` each, in
    the order of the forget set; targets are losses, the spread is in the scale of confidence.
    `quota`: HAMU's q, for the thresholds. `budget_samples`: bound on sample passes, beside one over
    the whole forget set; the default, one for each sample of the training set, is about 3 % of a
    retrain of twenty epochs, as most of them go forward only. `affordable` gives less where a
    retrain has few epochs.
    Raises `ValueError` for an empty side and for losses or gradients that are not finite.
    """
    started = time.monotonic()
    counted = shares(split)
    if len(split.retain) == 0:
        raise ValueError("the retain set is empty: nothing would be left to serve")
    require_losses_per_sample(network, recipe, split.forget)
    budget = affordable(split) if budget_samples is None else budget_samples
    sample = drawn(split, budget, seed=seed, logged=confidences is not None)
    meter = Meter(network, recipe)
    progress(0.0, "how much forgetting is owed")
    owed = meter.deficit(split, sample, targets=targets, spread=spread)
    progress(0.2, "whether it can be had without harm")
    conflict = meter.reconciliation(split, sample, quota=quota)
    progress(0.5, "how entangled the samples are")
    tangle = meter.entanglement(split, sample, seed=seed)
    progress(0.7, "how many of them were memorized")
    memorized = meter.memorization(split, sample, confidences=confidences, seed=seed)
    progress(1.0, "measured")
    return Hardness(
        shares=counted,
        deficit=owed,
        reconciliation=conflict,
        entanglement=tangle,
        memorization=memorized,
        samples=len(sample.forget),
        sample_passes=meter.passes,
        seconds=time.monotonic() - started,
    )


@dataclass
class Meter:
    """Feeds each measure what it takes from a network, and counts the passes.

    Two splits go in: the whole one, and the samples of it that the budget allows to be looked at.
    """

    network: nn.Module
    recipe: Recipe
    passes: int = 0

    def read(self, samples: Samples, values: PerSample) -> Tensor:
        """`[N, ...]` on the CPU, in evaluation mode."""
        self.passes += len(samples)
        return evaluate(self.network, samples, values)

    def deficit(
        self, split: Split, sample: Split, *, targets: Tensor | None, spread: Tensor | None
    ) -> Deficit:
        """Of the whole forget set: what is owed to one sample is not seen on another.

        Against references it is measured where the method works and attacks look: in the scale of
        confidence. Values that can be none, as those of densities, have no spread: it is one of
        confidences.
        """
        losses = in_full(self.read(split.forget, self.recipe.losses))
        held_out = in_full(self.read(sample.validation, self.recipe.losses))
        scale = Scale.LOSS
        if targets is not None and can_be_confidence(losses, held_out, targets.nan_to_num()):
            scale = Scale.CONFIDENCE
            losses, held_out, targets = (
                scaled(Aim.CONFIDENCE, values) for values in (losses, held_out, targets)
            )
        owed = deficit(
            split.forget,
            losses,
            validation=sample.validation,
            held_out=held_out,
            targets=targets,
            spread=spread if scale is Scale.CONFIDENCE else None,
        )
        return replace(owed, scale=scale)

    def reconciliation(self, split: Split, sample: Split, *, quota: float) -> Reconciliation:
        self.passes += len(sample.retain) + len(sample.forget)
        return reconciliation(
            self.network,
            sample.retain,
            sample.forget,
            self.recipe,
            quota=quota,
            unseen=(unseen(sample.retain, split.retain), unseen(sample.forget, split.forget)),
        )

    def entanglement(self, split: Split, sample: Split, *, seed: int) -> Entanglement:
        return entanglement(
            self.read(sample.retain, self.recipe.embeddings),
            self.read(sample.forget, self.recipe.embeddings),
            share=len(split.forget) / (len(split.forget) + len(split.retain)),
            generator=torch.Generator().manual_seed(seed),
        )

    def memorization(
        self, split: Split, sample: Split, *, confidences: Mapping[str, float] | None, seed: int
    ) -> Memorization | None:
        """From the log of the training where there is one, else by training on held-out samples.

        None where there is neither, or where these cannot be learnt: half precision rounds the
        small steps away.
        """
        if confidences is not None:
            return summary(
                Proxy.CONFIDENCE,
                retain=confidence_proxy(split.retain, confidences),
                forget=confidence_proxy(split.forget, confidences),
            )
        if len(sample.validation) == 0 or in_half_precision(self.network.parameters()):
            return None
        try:
            return self.post_hoc_memorization(sample, seed=seed)
        except Diverged:
            return None

    def post_hoc_memorization(self, sample: Split, *, seed: int) -> Memorization:
        """How far losses move when the network learns held-out samples, twice over.

        Raises `Diverged` where it cannot learn them.
        """
        passes = ROUNDS * len(sample.validation)
        tuned = tuned_on_holdout(
            self.network, sample.validation, self.recipe, passes=passes, seed=seed
        )
        looked_at = min(len(sample.validation), WATCHED) + len(sample.retain) + len(sample.forget)
        self.passes += passes + 2 * looked_at
        return summary(
            Proxy.HOLDOUT,
            retain=holdout_proxy(self.network, tuned, sample.retain, self.recipe),
            forget=holdout_proxy(self.network, tuned, sample.forget, self.recipe),
        )


def affordable(split: Split, *, retrain_passes: float = math.inf) -> int:
    """A pass for each sample, or a twentieth of a retrain's; but so many that they tell something.

    `retrain_passes`: how many passes of one sample forward take as long as a retrain.
    """
    every = len(split.forget) + len(split.retain)
    return max(FEWEST_SAMPLES, int(min(every, PART_OF_RETRAIN * retrain_passes)))


def drawn(split: Split, budget: int, *, seed: int, logged: bool) -> Split:
    """As many samples of each side as the budget has passes for, drawn at random.

    Each side's gradients and embeddings, and the held-out losses, take five passes of a side; where
    there is no log, training on held-out data (two) and losses before and after it take eight more
    at most, and as long as fifteen, for the batches that train are small.
    """
    limit = min(max(2, budget // (5 if logged else 20)), MOST_OF_A_SIDE)
    generator = torch.Generator().manual_seed(seed)

    def some(samples: Samples) -> Samples:
        return samples.take(torch.randperm(len(samples), generator=generator)[:limit])

    return Split(some(split.forget), some(split.retain), some(split.validation))


def unseen(drawn: Samples, whole: Samples) -> float:
    """The share of a side that was not drawn."""
    return 1 - len(drawn) / len(whole)
