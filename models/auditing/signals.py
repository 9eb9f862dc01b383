"""What the networks of one audit say of its samples: everything later is computed from this."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.auditing.attacks import Ints
from models.auditing.class_attacks import certainty, margin
from models.auditing.intervals import Floats
from models.auditing.reference_attacks import Witnesses
from models.auditing.token_signals import min_k
from models.data import Batch, Samples, Split, lot
from models.recipe import Classifier, Recipe, TokenRecipe, labelled
from models.training import evaluate
from models.unlearning.logits import class_logits

RETAIN_CAP = 2000  # retained samples that are scored; drawn anew for each audit, by its seed


@dataclass(frozen=True)
class Signals:
    """What one network says of one set of N samples: `[N]` each."""

    losses: Floats
    scores: Floats
    strata: Ints
    outputs: Floats | None = None  # `[N, 2]`, of a classifier: certainty and margin
    groups: tuple[str, ...] | None = None
    tokens: Floats | None = None  # `[N, 2]`, of a language model: mean and min-k, see token_signals

    @property
    def columns(self) -> tuple[Floats, Floats, Ints]:
        """Scores, losses and strata, in the order in which utility takes them."""
        return self.scores, self.losses, self.strata

    def rows(self, chosen: Ints) -> "Signals":
        """What it says of some of them."""
        return Signals(self.losses[chosen], self.scores[chosen], self.strata[chosen])

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.losses).all() and np.isfinite(self.scores).all())


# What one network says of every set: `forget`, `retain`, `validation`, `test`.
Said = dict[str, Signals]


@dataclass(frozen=True)
class Heard:
    """What all networks of one audit say: the parent, the new one, and references if there are.

    `judges`: what references that are gone said of `forget` and `validation`, see `judges.py`.
    """

    parent: Said
    served: Said
    references: tuple[Said, ...] = ()
    judges: tuple[Said, ...] = ()
    witnesses: Witnesses | None = None  # the same references, silent on what they saw

    @property
    def yardsticks(self) -> tuple[Said, ...]:
        """Whoever never saw the forgotten samples."""
        return self.references or self.judges

    @property
    def others(self) -> dict[str, Said]:
        """What the served network is compared with, by name."""
        if not self.references:
            return {"parent": self.parent}
        return {"parent": self.parent, "reference": averaged(self.references)}


def audited_sets(split: Split, test: Samples, *, seed: int) -> dict[str, Samples]:
    """The four sets by name, the retain set cut down; `ValueError` where they overlap."""
    sets = {
        "forget": split.forget,
        "retain": split.retain,
        "validation": split.validation,
        "test": test,
    }
    refuse_overlap(sets)
    return sets | {"retain": capped(split.retain, seed=seed)}


def refuse_overlap(sets: dict[str, Samples]) -> None:
    """A sample in two of the sets would make members of the unseen, or judge what it steered."""
    seen: dict[str, str] = {}
    for name, samples in sets.items():
        if len(samples) < 2:
            raise ValueError(f"an audit needs two samples at least in each set, {name} has fewer")
        shared = {seen[sample_id] for sample_id in samples.ids if sample_id in seen}
        if shared:
            raise ValueError(f"the {name} set shares samples with: {', '.join(sorted(shared))}")
        seen |= dict.fromkeys(samples.ids, name)


def capped(samples: Samples, *, seed: int, most: int = RETAIN_CAP) -> Samples:
    """At most so many of them, drawn by the seed, in their own order."""
    return samples.take(lot(len(samples), seed=seed, most=most))


def listen(network: nn.Module, sets: dict[str, Samples], recipe: Recipe) -> Said:
    """One network's losses and scores on every set, and more where the recipe tells it.

    A ready classifier's come from the same logits, in one pass instead of three.
    """
    if in_one_pass(recipe):
        return {name: from_logits(network, samples) for name, samples in sets.items()}
    return {
        name: Signals(
            losses=evaluate(network, samples, recipe.losses).double().numpy(),
            scores=evaluate(network, samples, recipe.scores).double().numpy(),
            strata=samples.strata.numpy(),
            groups=samples.groups,
            outputs=(
                from_logits(network, samples).outputs if isinstance(recipe, Classifier) else None
            ),
            tokens=tokens(network, samples, recipe) if isinstance(recipe, TokenRecipe) else None,
        )
        for name, samples in sets.items()
    }


def in_one_pass(recipe: Recipe) -> bool:
    """Whether it is a classifier that measures as all of them do; a child may do it otherwise."""
    own = type(recipe)
    return isinstance(recipe, Classifier) and (own.losses, own.scores) == (
        Classifier.losses,
        Classifier.scores,
    )


def from_logits(network: nn.Module, samples: Samples) -> Signals:
    """A classifier's losses and scores; how certain it is; how far inside its class each lies."""
    logits = evaluate(network, samples, class_logits)
    _, labels = labelled(samples.batch)
    wide = logits.double().numpy()
    return Signals(
        losses=F.cross_entropy(logits, labels, reduction="none").double().numpy(),
        scores=(logits.argmax(dim=1) == labels).double().numpy(),
        strata=samples.strata.numpy(),
        groups=samples.groups,
        outputs=np.column_stack([certainty(wide), margin(wide, labels.numpy())]),
    )


def tokens(network: nn.Module, samples: Samples, recipe: TokenRecipe) -> Floats:
    """`[N, 2]`: over all of a sample's tokens, and over those that surprise the network most."""

    def heard(network: nn.Module, batch: Batch) -> Tensor:
        losses = recipe.token_losses(network, batch).double().cpu().numpy()
        return torch.from_numpy(np.column_stack([min_k(losses, share=1.0), min_k(losses)]))

    return evaluate(network, samples, heard).numpy()


def averaged(several: Sequence[Said]) -> Said:
    """What several networks say of each sample in the mean."""
    return {
        name: Signals(
            np.mean([said[name].losses for said in several], axis=0),
            np.mean([said[name].scores for said in several], axis=0),
            signals.strata,
            groups=signals.groups,
        )
        for name, signals in several[0].items()
    }


def finite(said: Said) -> bool:
    """Whether all that a network said is a number."""
    return all(signals.finite for signals in said.values())


def refuse_broken(said: Said) -> None:
    """A yardstick that is not finite measures nothing."""
    if not finite(said):
        raise ValueError("the parent or a reference gives losses or scores that are not finite")


@torch.no_grad()
def movement(before: nn.Module, after: nn.Module) -> float:
    """‖θ_after - θ_before‖ / ‖θ_before‖ over parameters; NaN or infinite where a weight is.

    Buffers are left out: batch-norm statistics move in every forward pass of a run that trains
    nothing, which is how two published methods hid that they did not.
    """
    old, new = dict(before.named_parameters()), dict(after.named_parameters())
    if old.keys() != new.keys():
        raise ValueError("the two networks have different parameters")
    moved = sum(float((new[name].cpu() - old[name].cpu()).double().square().sum()) for name in old)
    length = sum(float(value.cpu().double().square().sum()) for value in old.values())
    return (moved / length) ** 0.5 if length else float(moved > 0)
