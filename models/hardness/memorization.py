"""Which samples the network has learnt by heart: proxies, all turned so that higher is more so.

Exact memorization needs hundreds of trainings. Sources of the proxies: Zhao et al., arXiv
2406.01257 (C-proxy), and Zhao and Triantafillou, arXiv 2410.16516 (holdout retraining).
"""

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses, in_half_precision
from models.data import Samples, endless_row_batches
from models.diverged import Diverged
from models.hardness.record import Memorization, Proxy
from models.recipe import Recipe
from models.seeding import seeded
from models.training import evaluate

NINTH_DECILE = 0.9
ROUNDS = 2  # over the held-out samples, to see what the network forgets meanwhile
WATCHED = 64  # held-out samples, at most, by which a training on them is seen to diverge


def summary(proxy: Proxy, *, retain: Tensor, forget: Tensor) -> Memorization:
    """What the scores of a forget set `[N]` say, held against those of the retain set `[R]`.

    Raises `ValueError` for scores that are not finite.
    """
    if not bool(torch.isfinite(torch.cat((retain, forget))).all()):
        raise ValueError("a memorization score is not finite")
    usual = float(np.quantile(retain.double().numpy(), NINTH_DECILE))  # torch's has a largest size
    return Memorization(
        proxy=proxy,
        mean=forget.double().mean().item(),
        share=(forget > usual).double().mean().item(),
    )


def are_confidences(values: Tensor, count: int) -> bool:
    """Whether these are one number in 0..1 for each of so many samples, as `fit` may return."""
    return values.shape == (count,) and bool(((values >= 0) & (values <= 1)).all())


def confidence_proxy(samples: Samples, confidences: Mapping[str, float]) -> Tensor:
    """One less each sample's mean confidence over training, float64 `[N]`, 0..1.

    `confidences`: what `recipe.fit` returned, by sample id. Confidence is an inverse measure; it
    is turned here and nowhere else. Raises `ValueError` for a sample without one, or outside 0..1.
    """
    missing = [sample_id for sample_id in samples.ids if sample_id not in confidences]
    if missing:
        raise ValueError(f"{len(missing)} samples have no confidence, {missing[0]!r} first")
    values = [1.0 - confidences[sample_id] for sample_id in samples.ids]
    scores = torch.tensor(values, dtype=torch.float64)
    if not bool(((scores >= 0) & (scores <= 1)).all()):
        raise ValueError("a confidence lies outside 0..1")
    return scores


def confidence_scores(samples: Samples, confidences: Mapping[str, float]) -> dict[str, float]:
    """The same by sample id, as methods that rank take it."""
    return dict(zip(samples.ids, confidence_proxy(samples, confidences).tolist(), strict=True))


def holdout_proxy(network: nn.Module, tuned: nn.Module, samples: Samples, recipe: Recipe) -> Tensor:
    """How far each sample's loss moves when the network learns others instead, float64 `[N]`.

    `tuned`: what `tuned_on_holdout` made of the network. The paper takes a divergence of predictive
    distributions; a loss is all that every recipe has.
    """
    before = evaluate(network, samples, recipe.losses).double()
    return (evaluate(tuned, samples, recipe.losses).double() - before).abs()


def tuned_on_holdout(
    network: nn.Module,
    holdout: Samples,
    recipe: Recipe,
    *,
    passes: int,
    rate: float = 0.001,
    batch_size: int = 32,
    seed: int,
) -> nn.Module:
    """A copy of the network trained on held-out samples, for so many sample passes at the most.

    The samples are those of the validation part, never those that report. In evaluation mode, so
    that normalisation keeps its statistics. The rate is small: on noisy digits it ranks samples
    like forty trainings do (ρ 0.82); a hundred times that rate is far worse (ρ 0.55).

    Raises `Diverged` where it raised their losses by more than these scatter: where losses are
    large, so are its steps. Raises `ValueError` for a network in half precision.
    """
    if len(holdout) == 0:
        raise ValueError("there are no held-out samples to train on")
    if in_half_precision(network.parameters()):
        raise ValueError(
            "half precision rounds away the small steps by which memorization is measured; keep the"
            " weights in float32, or return confidences from fit"
        )
    watched = holdout.take(torch.arange(min(len(holdout), WATCHED)))
    before = evaluate(network, watched, recipe.losses).double()
    copy = deepcopy(network).eval()
    optimizer = torch.optim.SGD(copy.parameters(), lr=rate, momentum=0.9)
    size = min(batch_size, len(holdout))
    with seeded(seed) as generator:
        batches = endless_row_batches(len(holdout), size, generator=generator)
        for _ in range(passes // size):
            loss = batch_losses(copy, recipe, holdout, next(batches)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    after = evaluate(copy, watched, recipe.losses).double()
    if not bool(after.mean() <= before.mean() + before.std(correction=0)):
        raise Diverged("losses on held-out samples rose while these were learnt")
    return copy
