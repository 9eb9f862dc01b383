"""The promises of a recipe's networks: one loss a sample, one seed one network, and exact files."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from models.data import Samples
from models.fresh import built
from models.progress import silent
from models.recipe import Recipe
from models.seeding import seeded
from models.training import PerSample, evaluate
from models.weights import load, own_tensors, save

FEW = 200  # samples that the trial networks are trained on
BATCH = 16  # samples that measures are tried on


@dataclass(frozen=True)
class Trial:
    """A network before and after it was trained on a few samples, the first of the pool."""

    recipe: Recipe
    seed: int
    few: Samples
    start: nn.Module
    network: nn.Module
    confidence: Tensor | None


def trial_of(recipe: Recipe, pool: Samples, *, seed: int) -> Trial:
    few = pool.take(torch.arange(min(FEW, len(pool))))
    start = built(recipe, seed=seed)
    if not any(parameter.requires_grad for parameter in start.parameters()):
        raise ValueError("build() gave a network with no parameter that requires a gradient")
    network = deepcopy(start)
    with seeded(seed):
        confidence = recipe.fit(network, few, seed=seed, progress=silent)
    if not all(bool(torch.isfinite(value).all()) for value in own_tensors(network).values()):
        raise ValueError("fit() left weights that are not finite; lower its rate")
    return Trial(recipe, seed, few, start, network.eval(), confidence)


def unseeded_build(trial: Trial) -> str:
    if not same_weights(trial.start, built(trial.recipe, seed=trial.seed)):
        return "build() gave different weights under one global seed; draw from torch's generator"
    if same_weights(trial.start, built(trial.recipe, seed=trial.seed + 1)):
        return "build() gave the same weights under two global seeds; leave the seed to the caller"
    return ""


def unmoved(trial: Trial) -> str:
    if not same_weights(trial.start, trial.network):
        return ""
    return "fit() left the weights as they were; it must train the network it is given, in place"


def unrepeatable_fit(trial: Trial) -> str:
    if same_weights(trial.network, fitted(trial, seed=trial.seed, surroundings=trial.seed + 1)):
        return ""
    return (
        "fit() gave different weights under one seed; wrap it in `models.seeding.seeded(seed)` and "
        "shuffle with the generator that this hands out"
    )


def unseeded_fit(trial: Trial) -> str:
    if not same_weights(trial.network, fitted(trial, seed=trial.seed + 1, surroundings=trial.seed)):
        return ""
    return "fit() gave the same weights under two seeds; order or augment the samples by the seed"


def wrong_confidence(trial: Trial) -> str:
    confidence, count = trial.confidence, len(trial.few)
    if confidence is None or (
        confidence.shape == (count,) and bool(((confidence >= 0) & (confidence <= 1)).all())
    ):
        return ""
    return (
        f"fit() returned {tuple(confidence.shape)} between {confidence.min()} and "
        f"{confidence.max()}; return nothing, or one mean confidence, 0..1, for each of {count}"
    )


def fit_needs_company(trial: Trial) -> str:
    alone = trial.few.take(torch.tensor([0]))
    try:
        trial.recipe.fit(deepcopy(trial.start), alone, seed=trial.seed, progress=silent)
    except Exception as error:
        return (
            f"fit() on one sample raised {type(error).__name__}: {error}; some day the last batch "
            "will hold one sample, so leave such a batch out, or do without batch statistics"
        )
    return ""


def wrong_losses(trial: Trial) -> str:
    losses, wanted = measured(trial, trial.recipe.losses)
    if losses.shape != wanted:
        return f"losses() gave {list(losses.shape)}, not {list(wanted)}; use reduction='none'"
    if not torch.isfinite(losses).all():
        return "losses() gave values that are not finite after a short training; lower the rate"
    return ""


def flat_losses(trial: Trial) -> str:
    network = deepcopy(trial.start).eval()
    losses = trial.recipe.losses(network, trial.few.rows(first_rows(trial)))
    if losses.requires_grad:
        losses.mean().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if any(gradient.count_nonzero() for gradient in gradients):
        return ""
    return "losses() has no gradient in the network's parameters; compute it without no_grad()"


def shared_losses(trial: Trial) -> str:
    rows = first_rows(trial)
    half = rows[: len(rows) // 2]
    with torch.no_grad():
        together = trial.recipe.losses(trial.network, trial.few.rows(rows))[: len(half)]
        apart = trial.recipe.losses(trial.network, trial.few.rows(half))
    # Sums over other batch sizes may differ in the last bits of float32.
    if torch.allclose(together, apart, rtol=1e-3, atol=1e-5, equal_nan=True):
        return ""
    return (
        "a sample's loss changed with its companions in the batch though the network was in "
        "evaluation mode; do not average over the batch, nor switch to training mode, in losses()"
    )


def wrong_scores(trial: Trial) -> str:
    scores, wanted = measured(trial, trial.recipe.scores)
    if scores.shape != wanted:
        return f"scores() gave {list(scores.shape)}, not {list(wanted)}; one number a sample"
    if not ((scores >= 0) & (scores <= 1)).all():
        return f"scores() ran from {scores.min()} to {scores.max()}; map them to 0..1"
    return ""


def wrong_embeddings(trial: Trial) -> str:
    embeddings, (count,) = measured(trial, trial.recipe.embeddings)
    if embeddings.dim() != 2 or len(embeddings) != count:
        return f"embeddings() gave {list(embeddings.shape)}, not [{count}, d]; flatten them"
    if not torch.isfinite(embeddings).all():
        return "embeddings() gave values that are not finite after a short training"
    return ""


def inexact_file(trial: Trial) -> str:
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "trial.safetensors"
        save(trial.network, path)
        restored = built(trial.recipe, seed=trial.seed + 1).eval()
        load(restored, path)
    before = evaluate(trial.network, trial.few, trial.recipe.losses)
    after = evaluate(restored, trial.few, trial.recipe.losses)
    if same_weights(trial.network, restored) and torch.allclose(
        before, after, rtol=0, atol=0, equal_nan=True
    ):
        return ""
    return (
        "a network that was saved and loaded gave other losses; keep all its state in parameters "
        "and in buffers that are persistent"
    )


def first_rows(trial: Trial) -> Tensor:
    return torch.arange(min(BATCH, len(trial.few)))


@torch.no_grad()
def measured(trial: Trial, measure: PerSample) -> tuple[Tensor, torch.Size]:
    """The measure of the first samples, and the shape `[B]`."""
    rows = first_rows(trial)
    return measure(trial.network, trial.few.rows(rows)), rows.shape


def fitted(trial: Trial, *, seed: int, surroundings: int) -> nn.Module:
    """The start network fitted again; `surroundings` seeds what `fit` ought not to depend on."""
    network = deepcopy(trial.start)
    with seeded(surroundings):
        trial.recipe.fit(network, trial.few, seed=seed, progress=silent)
    return network.eval()


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Bit for bit."""
    old, new = own_tensors(a), own_tensors(b)
    return old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)


# What is promised, and what finds the complaint: a sentence, or nothing where the promise is kept.
NETWORK: Mapping[str, Callable[[Trial], str]] = {
    "build draws its weights from the global seed": unseeded_build,
    "fit moves the weights": unmoved,
    "fit gives the same network under the same seed": unrepeatable_fit,
    "fit gives another network under another seed": unseeded_fit,
    "fit returns nothing or one confidence a sample": wrong_confidence,
    "losses are one finite number a sample": wrong_losses,
    "losses have a gradient in the network's parameters": flat_losses,
    "a sample's loss does not depend on the rest of the batch": shared_losses,
    "scores are one number a sample, 0..1": wrong_scores,
    "embeddings are one finite vector a sample": wrong_embeddings,
    "weights that are saved and loaded are the same": inexact_file,
}
NETWORK_ADVICE: Mapping[str, Callable[[Trial], str]] = {
    "fit can deal with a single sample": fit_needs_company,
}
