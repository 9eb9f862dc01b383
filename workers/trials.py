"""The child's side of a calibration: one trial from drawing its forget set to destroying it all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from models import weights
from models.data import Holdout, Samples
from models.progress import Progress
from models.recipe import Recipe
from models.trial import Known, Scene, scores_of, tried
from models.trial_sets import drawn, split_at


@dataclass(frozen=True)
class Draw:
    """Which forget set; see `models.trial_sets`."""

    share: float
    high: bool
    skewed: bool
    seed: int


def carry_out(
    network: nn.Module,
    samples: Samples,
    holdout: Holdout,
    recipe: Recipe,
    known: Known,
    draw: Draw,
    *,
    method: str,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """What the trial came to, and under which digests its networks were destroyed."""
    validation = holdout.validation
    scores = scores_of(network, samples, validation, recipe, known, seed=draw.seed)
    rows = drawn(
        samples, scores, share=draw.share, high=draw.high, skewed=draw.skewed, seed=draw.seed
    )
    split = split_at(samples, rows, validation)
    scene = Scene(network, split, holdout, recipe, known.of(split.forget), draw.seed, progress)
    done = tried(scene, method=method)
    return done.facts | {"destroyed": [destroyed(each, out) for each in done.networks]}


def destroyed(network: nn.Module, out: Path) -> str:
    """The digest of the network's weights, of which nothing else stays."""
    digest = weights.save(network, out)
    out.unlink()
    return digest
