"""Where losses are computed of which gradients are taken."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses
from models.data import Batch, Samples, Split
from models.hardness.memorization import tuned_on_holdout
from models.hardness.reconciliation import piece_gradients
from models.progress import silent
from models.unlearning.distil import distil
from models.unlearning.logits import class_logits
from models.unlearning.scrub import scrub
from tests.models.tiny_recipe import Tiny


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.LSTM(4, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        states, _ = self.inner(inputs.unsqueeze(1))
        return self.head(states[:, -1])


class Watching(Tiny):
    """Notes whether cuDNN may be used while it computes losses with a graph."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        if torch.is_grad_enabled():
            seen.append(torch.backends.cudnn.enabled)
        return super().losses(network, batch)


def watched(network: nn.Module, batch: Batch) -> Tensor:
    """Class logits; notes the same of a network that learns."""
    if torch.is_grad_enabled() and next(network.parameters()).requires_grad:
        seen.append(torch.backends.cudnn.enabled)
    return class_logits(network, batch)


seen: list[bool] = []
recipe = Watching(network=Recurrent)


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


@pytest.fixture
def samples() -> Samples:
    return recipe.pool().take(torch.arange(20))


@pytest.mark.parametrize("way", ["step", "hardness", "memorization", "scrub", "distil"])
def test_cudnn_is_left_out_where_it_could_not_go_back_through_a_recurrent_layer(
    way: str, samples: Samples
) -> None:
    network = recipe.build().eval()

    if way == "step":
        batch_losses(network, recipe, samples, torch.arange(4))
    elif way == "hardness":
        piece_gradients(network, samples, recipe, list(network.parameters()), pieces=2)
    elif way == "memorization":
        tuned_on_holdout(network, samples, recipe, passes=40, seed=0)
    else:
        asked: dict[str, Any] = {"logits": watched, "seed": 0, "progress": silent}
        split = Split(samples, samples, samples)
        if way == "scrub":
            scrub(network, split, recipe, epochs=1, **asked)
        else:
            distil(network, split, recipe, targets=torch.full((20, 3), 1 / 3), steps=1, **asked)

    assert seen
    assert not any(seen)
    assert torch.backends.cudnn.enabled


@pytest.mark.parametrize(
    "network", [Recurrent().train(), Tiny().build().eval()], ids=["in training", "not recurrent"]
)
def test_it_is_used_where_it_can(network: nn.Module, samples: Samples) -> None:
    batch_losses(network, recipe, samples, torch.arange(4))

    assert seen == [True]
