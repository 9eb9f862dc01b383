"""What a network is worth after forgetting, in the numbers that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.unlearning import clock
from models.auditing.attacks import (
    calibrated,
    logit_confidence,
    placements,
    separation,
)
from models.auditing.audit import audit
from models.auditing.judges import judges
from models.auditing.signals import listen
from models.auditing.verdict import Thresholds
from models.data import Samples, Split
from models.progress import silent
from models.recipe import Recipe
from models.references import Table
from models.training import device_of
from models.unlearning.targets import Aim, scaled

SERVED = ("forget", "retain", "test")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Worth:
    """Mean scores on three sets; loss and logit of its confidence on the forgotten; one attack.

    `attack`: AUC of telling forgotten from validation samples, each by how much surer the network
    is of it than the judging references that never saw it (offline LiRA, one variance); 0.5 is
    chance. `doubt`: mean log(eˡ − 1) of the forgotten. `called_unseen`: the share of the forgotten
    that a population attack takes for unseen.
    """

    forget: float
    retain: float
    test: float
    loss: float
    doubt: float
    attack: float
    called_unseen: float

    def dictionary(self) -> dict[str, float]:
        return asdict(self)


def worth(network: nn.Module, split: Split, test: Samples, recipe: Recipe, judging: Table) -> Worth:
    """Measure a network; the references of `judging` never steered a method."""
    sets = {"forget": split.forget, "retain": split.retain, "unseen": split.validation}
    said = listen(network, sets | {"test": test}, recipe)
    forget, retain, unseen = (torch.from_numpy(said[name].losses) for name in sets)
    return Worth(
        **{name: float(said[name].scores.mean()) for name in SERVED},
        loss=float(forget.mean()),
        doubt=float(scaled(Aim.CONFIDENCE, forget).mean()),
        attack=attack(forget, unseen, split, judging),
        called_unseen=called_unseen(forget, seen=retain, unseen=unseen),
    )


def tow(row: Row, band: Sequence[Row], *, forgotten: str = "forget") -> float:
    """Tug of war (Zhao et al., arXiv 2406.01257, eq. 2), against the mean of the retrains.

    With `forgotten="called_unseen"` it is their ToW-MIA.
    """
    names = (forgotten, "retain", "test")
    return prod(1 - abs(row[name] - mean(other[name] for other in band)) for name in names)


def called_unseen(asked: Tensor, *, seen: Tensor, unseen: Tensor) -> float:
    """The share of `asked` whose loss is above the threshold that best tells `seen` from `unseen`.

    Losses of Yeom et al. (arXiv 1709.01604); best by balanced accuracy. The test set has no part.
    """
    cuts = torch.cat([seen, unseen]).unique()
    below, above = (
        torch.searchsorted(part.sort().values, cuts, right=True) / len(part)
        for part in (seen, unseen)
    )
    return float((asked > cuts[(below - above).argmax()]).float().mean())


def judged(
    before: nn.Module,
    after: nn.Module,
    split: Split,
    test: Samples,
    recipe: Recipe,
    judging: Table,
    *,
    route: str,
) -> dict[str, Any]:
    """What the service's audit says, and the seconds it takes."""
    device = device_of(after)
    started = clock.now(device)
    report = audit(
        before,
        after,
        split,
        test,
        recipe,
        route=route,
        judges=judges(judging.of(split.forget.ids), split.forget, split.validation),
        seed=0,
        thresholds=Thresholds(),
        progress=silent,
    )
    return {"verdict": report.verdict, "audit_seconds": clock.now(device) - started}


def attack(forget: Tensor, unseen: Tensor, split: Split, judging: Table) -> float:
    """The AUC of the calibrated attack."""
    known = judging.of(split.forget.ids)
    surer = logit_confidence(forget.double().numpy()) - _mean_of_unseen(known)
    others = calibrated(unseen.double().numpy(), judging.unseen.double().numpy())
    placed = placements(surer, split.forget.strata.numpy(), others, split.validation.strata.numpy())
    return separation(placed, confidence=0.9).interval.estimate


def _mean_of_unseen(known: Table) -> NDArray[np.float64]:
    """`[F]`: how sure of each sample those judges are that never saw it."""
    confidences = logit_confidence(known.losses.double().numpy())
    out = known.left_out.numpy()
    return np.where(out, confidences, 0).sum(axis=0) / out.sum(axis=0)
