"""The blobs' recipe with something done to its losses, for tests of what methods refuse."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from models.data import Batch
from models.recipe import Classifier
from tests.models.blobs import recipe


@dataclass(frozen=True)
class Spoilt(Classifier):
    """The blobs, with something done to the losses."""

    spoil: Callable[[Tensor], Tensor] = torch.clone

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return self.spoil(super().losses(network, batch))


def spoilt(spoil: Callable[[Tensor], Tensor]) -> Spoilt:
    return Spoilt(**{part.name: getattr(recipe, part.name) for part in fields(recipe)}, spoil=spoil)
