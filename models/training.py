"""The training loop that shipped recipes share, and the evaluation pass that everything shares."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.data import Batch, Samples, row_batches
from models.progress import Progress
from models.seeding import seeded

# A recipe's `losses`, `scores` or `embeddings`.
PerSample = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True)
class Schedule:
    """SGD with Nesterov momentum under a one-cycle rate (Smith and Topin, arXiv 1708.07120)."""

    epochs: int
    batch_size: int = 128
    peak_rate: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9


def train(
    network: nn.Module,
    samples: Samples,
    losses: PerSample,
    *,
    schedule: Schedule,
    seed: int,
    progress: Progress,
) -> Tensor:
    """Train in place; returns each sample's mean confidence exp(-loss) over the epochs, `[N]`.

    The confidence is read before each update, in training mode: RUM's C-proxy as its authors log it
    (arXiv 2406.01257), and free.
    """
    if len(samples) == 0:
        raise ValueError("there is nothing to train on")
    device = device_of(network)
    steps = schedule.epochs * -(-len(samples) // schedule.batch_size)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=schedule.peak_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.momentum > 0,
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=schedule.peak_rate, total_steps=max(steps, 2), cycle_momentum=False
    )
    confidence = torch.zeros(len(samples))
    network.train()
    with seeded(seed) as generator:
        for epoch in range(schedule.epochs):
            progress(epoch / schedule.epochs, f"epoch {epoch + 1} of {schedule.epochs}")
            for rows in row_batches(len(samples), schedule.batch_size, generator=generator):
                per_sample = losses(network, samples.rows(rows, device=device))
                optimizer.zero_grad(set_to_none=True)
                per_sample.mean().backward()
                optimizer.step()
                cycle.step()
                confidence[rows] += torch.exp(-per_sample.detach()).cpu()
    progress(1.0, "trained")
    network.eval()
    return confidence / schedule.epochs


@torch.no_grad()
def evaluate(
    network: nn.Module, samples: Samples, measure: PerSample, *, batch_size: int = 256
) -> Tensor:
    """`[N, ...]` on the CPU: the measure of every sample, the network in evaluation mode."""
    was_training = network.training
    network.eval()
    device = device_of(network)
    parts = [measure(network, batch).cpu() for batch in samples.batches(batch_size, device=device)]
    network.train(was_training)
    return torch.cat(parts) if parts else torch.empty(0)


def device_of(network: nn.Module) -> torch.device:
    """Where the network's parameters lie."""
    return next(network.parameters()).device
