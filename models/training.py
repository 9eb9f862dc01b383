"""The training loop that shipped recipes share, and the evaluation pass that everything shares."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.data import Batch, Samples, even_row_batches
from models.progress import Progress
from models.resuming import (
    Resume,
    network_state,
    optimizer_state,
    put_back_network,
    put_back_optimizer,
    put_back_random,
    random_state,
)
from models.seeding import seeded

# A recipe's `losses`, `scores` or `embeddings`.
PerSample = Callable[[nn.Module, Batch], Tensor]

# Samples in a forward pass: what goes through a layer should fit a processor's cache (256 take half
# as long again as 128 through convolutions), and keep a GPU busy.
SCORED_AT_ONCE = {"cpu": 128, "cuda": 1024}


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
    resume: Resume | None = None,
) -> Tensor:
    """Train in place; returns each sample's mean confidence exp(-loss) over the epochs, `[N]`.

    The confidence is read before each update, in training mode: RUM's C-proxy as its authors log it
    (arXiv 2406.01257), and free. With `resume` the state is left behind after each epoch, and a
    training that was killed goes on after its last one, to the same bits.
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
    going = Going(network, optimizer, cycle, torch.zeros(len(samples)))
    confidence = going.confidence
    network.train()
    with seeded(seed) as generator:
        done = 0 if resume is None else take_up(resume, going, generator)
        for epoch in range(done, schedule.epochs):
            progress(epoch / schedule.epochs, f"epoch {epoch + 1} of {schedule.epochs}")
            for rows in even_row_batches(len(samples), schedule.batch_size, generator=generator):
                per_sample = losses(network, samples.rows(rows, device=device))
                optimizer.zero_grad(set_to_none=True)
                per_sample.mean().backward()
                optimizer.step()
                cycle.step()
                confidence[rows] += torch.exp(-per_sample.detach()).cpu()
            if resume is not None:
                leave(resume, going, generator, done=epoch + 1)
    progress(1.0, "trained")
    network.eval()
    return confidence / schedule.epochs


@dataclass(frozen=True)
class Going:
    """What changes while a training goes on."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    cycle: torch.optim.lr_scheduler.OneCycleLR
    confidence: Tensor


def leave(resume: Resume, going: Going, generator: torch.Generator, *, done: int) -> None:
    """Leave the state after so many epochs."""
    weights = network_state(going.network)
    moments, groups = optimizer_state(going.optimizer)
    drawn, counters = random_state(generator)
    facts = groups | counters | {"done": done, "cycle": going.cycle.state_dict()}
    resume.leave(weights | moments | drawn | {"confidence": going.confidence}, facts)


def take_up(resume: Resume, going: Going, generator: torch.Generator) -> int:
    """Go on from what was left, if anything was; the epochs that are done."""
    if (left := resume.left()) is None:
        return 0
    put_back_network(going.network, left)
    put_back_optimizer(going.optimizer, left)
    going.cycle.load_state_dict(left.facts["cycle"])
    going.confidence.copy_(left.tensors["confidence"])
    put_back_random(generator, left)
    return int(left.facts["done"])


@torch.no_grad()
def evaluate(
    network: nn.Module, samples: Samples, measure: PerSample, *, batch_size: int | None = None
) -> Tensor:
    """`[N, ...]` on the CPU: the measure of every sample, the network in evaluation mode."""
    was_training = network.training
    network.eval()
    device = device_of(network)
    size = batch_size or SCORED_AT_ONCE.get(device.type, SCORED_AT_ONCE["cpu"])
    parts = [measure(network, batch).cpu() for batch in samples.batches(size, device=device)]
    network.train(was_training)
    return torch.cat(parts) if parts else torch.empty(0)


def best_device() -> torch.device:
    """A GPU, where this process has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(network: nn.Module) -> torch.device:
    """Where the network's parameters lie."""
    return next(network.parameters()).device
