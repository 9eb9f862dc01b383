"""What every unlearning method takes and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from torch import Tensor, nn

from models.data import Split
from models.progress import Progress
from models.recipe import Recipe


class Stop(StrEnum):
    """Why a method ended."""

    BUDGET = "budget"  # all steps taken
    FORGOTTEN = "forgotten"  # the forget set looks like unseen data; the aim
    LEVEL = "level"  # it does as a whole, but others rose in place of the samples that owed
    HARM = "harm"  # the next step was predicted to raise the retain loss
    INFEASIBLE = "infeasible"  # no step inside the trust region gives the quota
    ZERO_GRADIENT = "zero_gradient"  # nothing left to move


@dataclass(frozen=True)
class Trace:
    """What happened on the way: one number per step in each column, and what it cost."""

    stop: Stop
    steps: int
    sample_passes: int  # samples sent forward and backward, summed over steps
    columns: Mapping[str, list[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unlearned:
    """A new network in evaluation mode, and its trace.

    `confidences`: what the recipe's `fit` told of each retained sample, where it was run, `[R]`.
    """

    network: nn.Module
    trace: Trace
    confidences: Tensor | None = None


class Method(Protocol):
    """A pure function: the network handed in is untouched, all knobs are keywords with defaults.

    Raises `ValueError` for an empty forget or retain set and for parameters that cannot move, and
    `Diverged` when a loss or gradient is not finite.
    """

    def __call__(
        self, network: nn.Module, split: Split, recipe: Recipe, /, *, seed: int, progress: Progress
    ) -> Unlearned:
        """Make the network forget `split.forget` and keep `split.retain`."""
