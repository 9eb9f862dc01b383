"""What a network is worth after forgetting, in the numbers that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.auditing.attacks import (
    calibrated,
    logit_confidence,
    placements,
    separation,
)
from models.data import Samples, Split
from models.recipe import Recipe
from models.references import Table
from models.training import evaluate
from models.unlearning.targets import Aim, scaled

SERVED = ("forget", "retain", "test")


@dataclass(frozen=True)
class Worth:
    """Mean scores on three sets; loss and logit of its confidence on the forgotten; one attack.

    `attack`: AUC of telling forgotten from validation samples, each by how much surer the network
    is of it than the judging references that never saw it (offline LiRA, one variance); 0.5 is
    chance. `doubt`: mean log(eˡ − 1) of the forgotten.
    """

    forget: float
    retain: float
    test: float
    loss: float
    doubt: float
    attack: float

    def dictionary(self) -> dict[str, float]:
        return asdict(self)


def worth(network: nn.Module, split: Split, test: Samples, recipe: Recipe, judges: Table) -> Worth:
    """Measure a network; `judges` never steered a method."""
    forget = evaluate(network, split.forget, recipe.losses)
    unseen = evaluate(network, split.validation, recipe.losses)
    served = {
        name: float(evaluate(network, samples, recipe.scores).mean())
        for name, samples in zip(SERVED, (split.forget, split.retain, test), strict=True)
    }
    return Worth(
        forget=served["forget"],
        retain=served["retain"],
        test=served["test"],
        loss=float(forget.mean()),
        doubt=float(scaled(Aim.CONFIDENCE, forget).mean()),
        attack=attack(forget, unseen, split, judges),
    )


def tow(row: Mapping[str, float], band: Sequence[Mapping[str, float]]) -> float:
    """Tug of war (Zhao et al., arXiv 2406.01257, eq. 2), against the mean of the retrains."""
    gaps = (abs(row[name] - mean(other[name] for other in band)) for name in SERVED)
    return prod(1 - gap for gap in gaps)


def attack(forget: Tensor, unseen: Tensor, split: Split, judges: Table) -> float:
    """The AUC of the calibrated attack."""
    known = judges.of(split.forget.ids)
    surer = logit_confidence(forget.double().numpy()) - _mean_of_unseen(known)
    others = calibrated(unseen.double().numpy(), judges.unseen.double().numpy())
    placed = placements(surer, split.forget.strata.numpy(), others, split.validation.strata.numpy())
    return separation(placed, confidence=0.9).interval.estimate


def _mean_of_unseen(known: Table) -> NDArray[np.float64]:
    """`[F]`: how sure of each sample those judges are that never saw it."""
    confidences = logit_confidence(known.losses.double().numpy())
    out = known.left_out.numpy()
    return np.where(out, confidences, 0).sum(axis=0) / out.sum(axis=0)
