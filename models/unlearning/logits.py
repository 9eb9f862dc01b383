"""Class logits for the methods that need more of a network than a recipe's losses."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.data import Batch, leaves

# `[B, C]` class logits of a batch, differentiable in the network's parameters.
Logits = Callable[[nn.Module, Batch], Tensor]

WAY_OUT = "pass `logits=`, a function of (network, batch) that returns [B, C]"


def class_logits(network: nn.Module, batch: Batch) -> Tensor:
    """What the network makes of the first tensor of a batch, `[B, C]`.

    A recipe promises losses, scores and embeddings but no logits; this fits every `Classifier`.
    Raises `ValueError`, with the way out, where it does not fit.
    """
    inputs = leaves(batch)[0]
    try:
        output = network(inputs)
    except torch.OutOfMemoryError:
        raise  # which is a RuntimeError, but none of the network's making
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"the network does not take the batch's first tensor; {WAY_OUT}"
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(inputs):
        raise ValueError(f"the network's output is not one row of logits per sample; {WAY_OUT}")
    if output.shape[1] < 2:
        raise ValueError(f"one number per sample is no distribution over classes; {WAY_OUT}")
    return output
