"""The child's side of one more retrain, which a version is held against; then it is dropped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from models.data import Split
from models.progress import Progress, part
from models.recipe import Recipe
from models.resuming import Resume
from models.unlearning.retrain import retrain
from workers import said
from workers.trials import destroyed

SHARE = 0.8  # of the progress of an audit that begins with it


@dataclass(frozen=True)
class Yardstick:
    """A network that never saw the forgotten samples, and the seconds that it took."""

    network: nn.Module
    seconds: float


def yardstick(
    parent: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    progress: Progress,
    resume: Resume,
) -> Yardstick:
    """Trained on what is kept; it goes on where it was killed, if the recipe can."""
    told = part(progress, 0.0, SHARE, "training a reference: ")
    made = retrain(parent, split, recipe, seed=seed, progress=told, resume=resume)
    return Yardstick(made.network, resume.seconds)


def accounted(made: Yardstick | None, judging: str | None, served: Path) -> dict[str, Any]:
    """What an audit spent on a yardstick, and the digests of all networks that were one.

    Nothing else of these is left: neither of one that was `made` for it beside the weights as
    served, nor of references that judged from a file.
    """
    if made is not None:
        gone = [destroyed(made.network, served.with_name("reference"))]
        return {"reference_seconds": made.seconds, "destroyed": gone}
    gone = [] if judging is None else said.digests_in(judging)
    return {"reference_seconds": None, "destroyed": gone}
