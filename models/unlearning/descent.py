"""A copy of a network on its way down a loss, for the methods that are plain training of a kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.batch_losses import in_half_precision, movable
from models.data import Samples, row_batches
from models.diverged import Diverged
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import require_finite, working_copy

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


@dataclass
class Descent:
    """SGD with momentum on a copy, which counts its steps and the samples that went through."""

    network: nn.Module
    optimizer: torch.optim.SGD
    steps: int = 0
    passes: int = 0
    columns: dict[str, list[float]] = field(default_factory=dict)

    def step(self, loss: Tensor, *, samples: int, **logged: Tensor) -> None:
        """One update; `Diverged` where the loss is not finite.

        A gradient that is not spoils the weights, which `ended` sees.
        """
        if not bool(torch.isfinite(loss)):
            raise Diverged(f"the loss is {loss.item()} at step {self.steps + 1}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        self.passes += samples
        for name, value in logged.items():
            self.columns.setdefault(name, []).append(value.item())

    def ended(self, *notes: str, stop: Stop = Stop.BUDGET) -> Unlearned:
        """The network as it is now, in evaluation mode; `Diverged` where a weight is not finite."""
        require_finite(self.network)
        trace = Trace(stop, self.steps, self.passes, self.columns, notes)
        return Unlearned(self.network.eval(), trace)


def descent(
    network: nn.Module,
    *,
    rate: float,
    momentum: float = MOMENTUM,
    weight_decay: float = WEIGHT_DECAY,
) -> Descent:
    """Start from a copy in evaluation mode.

    `ValueError` where no parameter can move, or one is in half precision: most of its steps would
    be rounded away.
    """
    student = working_copy(network)
    if in_half_precision(movable(student)):
        raise ValueError("half precision rounds away SGD's steps; keep the weights in float32")
    # The optimizer has to hold the copy's own parameters: a public SCRUB handed it the teacher's.
    optimizer = torch.optim.SGD(
        movable(student), lr=rate, momentum=momentum, weight_decay=weight_decay
    )
    return Descent(student, optimizer)


def one_pass(samples: Samples, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled places in pieces of at most `size`.

    A last piece of one is left out where others are larger: batch normalisation cannot train on it.
    """
    for rows in row_batches(len(samples), size, generator=generator):
        if len(rows) > 1 or size == 1 or len(samples) == 1:
            yield rows
