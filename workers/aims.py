"""What an unlearning method is told of single samples, where its route takes it and it is known."""

from dataclasses import dataclass
from typing import Any, Self

from torch import nn

from models.data import Split
from models.hardness.record import Proxy
from models.recipe import Recipe
from models.reference_targets import targets_for
from models.references import spread
from models.unlearning import RANKED, STEERED
from workers import said


def by_references(
    steering: str | None, parent: nn.Module, split: Split, recipe: Recipe
) -> dict[str, Any]:
    """The forget set's `targets` and their `spread`, `[F]` each, where they are known."""
    known = said.table_of(steering, split.forget)
    if known is None:
        return {}
    return {"targets": targets_for(parent, split, recipe, known), "spread": spread(known)}


@dataclass(frozen=True)
class Aims:
    """`knobs`: as the method takes them. `stated`: as a receipt states them, without the values."""

    knobs: dict[str, Any]
    stated: dict[str, Any]
    values: list[list[float]]  # by which a run that was killed is known again

    @classmethod
    def of(
        cls,
        route: str,
        parent: nn.Module,
        split: Split,
        recipe: Recipe,
        steering: str | None,
        confidences: str | None,
    ) -> Self:
        """Targets from references, or a score from what the training noted."""
        known = said.table_of(steering, split.forget) if route in STEERED else None
        if known is not None:
            aimed = targets_for(parent, split, recipe, known)
            return cls({"targets": aimed}, {"targets": aimed}, [aimed.tolist()])
        scores = said.memorization_in(confidences, split.forget) if route in RANKED else None
        if scores is not None:
            stated = {"scores": Proxy.CONFIDENCE}
            return cls({"scores": scores}, stated, [list(scores.values())])
        return cls({}, {}, [])
