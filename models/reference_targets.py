"""Targets for the network that is to forget, from references that were trained on less than it was.

Source: our own idea. Of samples that nobody saw the network is surer than they are, by its lead; a
retrain without a few people would be too. A retrain without as many people as a reference left out
would be as unsure as the reference: between the two the lead is taken to fall in a straight line.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.data import Split, lot
from models.recipe import Recipe
from models.references import Table, targets
from models.training import evaluate
from models.unlearning.targets import Aim, can_be_confidence, scaled, unscaled

ASKED = 2048  # validation samples, at most, on which the lead is measured: 512 tell it to 0.1


@dataclass(frozen=True)
class Lead:
    """By how much a network is better on unseen samples than references, in the scale of `aim`."""

    aim: Aim
    by: float

    def off(self, losses: Tensor) -> Tensor:
        """What references said, `[F]`, as a network with this lead would say it; NaN stays."""
        return losses if self.by == 0 else unscaled(self.aim, scaled(self.aim, losses) - self.by)


def targets_for(network: nn.Module, split: Split, recipe: Recipe, of_forget: Table) -> Tensor:
    """`[F]`: the loss each sample would have, had the network never seen it; NaN where all saw it.

    `of_forget`: what references said of `split.forget`.
    """
    return lead_over(of_forget, network, split, recipe).off(targets(of_forget))


def lead_over(of_forget: Table, network: nn.Module, split: Split, recipe: Recipe) -> Lead:
    """The lead that is left to a retrain without `split.forget`.

    Nought where it cannot be told: no reference left anything out, or they were asked about other
    validation samples.
    """
    left_out = left_out_by_each(of_forget)
    forgotten = len(split.forget) / (len(split.forget) + len(split.retain))
    asked = lot(len(split.validation), seed=0, most=ASKED)
    if of_forget.unseen.shape[1] != len(split.validation):
        return Lead(Aim.SAMPLES, 0.0)
    theirs = of_forget.unseen[:, asked]
    theirs = theirs[theirs.isfinite().all(dim=1)]  # what diverged says nothing of the others
    if theirs.numel() == 0:
        return Lead(Aim.SAMPLES, 0.0)
    ours = evaluate(network, split.validation.take(asked), recipe.losses).to(theirs)
    aim = Aim.CONFIDENCE if can_be_confidence(of_forget.losses, theirs, ours) else Aim.SAMPLES
    whole = float(scaled(aim, theirs).mean() - scaled(aim, ours).mean())
    return Lead(aim, whole * max(0.0, 1 - forgotten / left_out) if left_out else 0.0)


def left_out_by_each(of_forget: Table) -> float:
    """The share of its training set that a reference left out: that of how many left a sample out.

    Each sample is left out equally often (`plans`); those of which nobody says anything count not.
    """
    out = of_forget.left_out
    known = out[:, out.any(dim=0)]
    return float(known.float().mean()) if known.numel() else 0.0
