"""What is trained from nothing, and what is not even begun."""

from dataclasses import replace

import pytest
from torch import Tensor, nn

from models import fresh
from models.data import Batch
from models.progress import silent
from models.recipe import Classifier
from tests.models.blobs import build, recipe


class Averaging(Classifier):
    """Its losses are one number a batch."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch).mean()


def frozen() -> nn.Module:
    return build().requires_grad_(False)


def test_what_could_never_be_unlearned_is_not_trained() -> None:
    averaging = Averaging(
        recipe.name, recipe.network, recipe.read_pool, recipe.read_holdout, recipe.schedule
    )

    with pytest.raises(ValueError, match="one loss per sample"):
        fresh.trained(averaging, recipe.pool(), seed=0, progress=silent)
    with pytest.raises(ValueError, match="frozen"):
        fresh.trained(replace(recipe, network=frozen), recipe.pool(), seed=0, progress=silent)
