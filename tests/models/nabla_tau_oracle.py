"""∇τ written out as in section 2.5 of its notes, slowly and in double precision."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Samples, Split, map_batch
from models.recipe import labelled
from tests.models import blobs

# Of each preset: a fixed α₀, K in E = ⌊K·b_R/b_F⌋, the learning rate and what is left of it.
PUBLISHED: dict[str, tuple[float | None, float, float, float]] = {
    "image": (None, 3.0, 1e-3, 0.1),
    "text": (0.5, 0.5, 3e-4, 1.0),
}
C = 5  # τ is taken anew every so many forget-epochs


def in_double(samples: Samples) -> Samples:
    batch = map_batch(
        lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, samples.batch
    )
    return Samples(samples.ids, batch, samples.strata)


recipe = replace(blobs.recipe, name="doubles", network=lambda: blobs.build().double())


@cache
def trained() -> nn.Module:
    """The blobs' network, in double precision; whoever wants to change it takes a copy."""
    return deepcopy(blobs.trained()).double()


def split_of(forget: int) -> Split:
    split = blobs.make_split(forget)
    return Split(in_double(split.forget), in_double(split.retain), in_double(split.validation))


def mean_loss(network: nn.Module, batch: Batch) -> Tensor:
    """ℓ averaged over a batch, with its graph."""
    inputs, labels = labelled(batch)
    return F.cross_entropy(network(inputs), labels)


def gradient(network: nn.Module, batch: Batch) -> list[Tensor]:
    """∇ of the mean loss of these samples."""
    return list(torch.autograd.grad(mean_loss(network, batch), list(network.parameters())))


@dataclass
class Written:
    """What the written-out algorithm came to: a row for each step."""

    network: nn.Module
    alphas: list[float] = field(default_factory=list)
    taus: list[float] = field(default_factory=list)


def pairs(
    split: Split, *, size: int, epochs: int, seed: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The forget-epoch of each step, and the places of its forget and of its retain batch."""
    generator = torch.Generator().manual_seed(seed)
    forget, retain = len(split.forget), len(split.retain)
    every = max(1, -(-retain // size) // -(-forget // size))
    kept: Iterator[Tensor] = iter(())
    for epoch in range(epochs):
        gone = torch.randperm(forget, generator=generator).split(size)
        if epoch % every == 0:
            kept = iter(torch.randperm(retain, generator=generator).split(size))
        for rows in gone:
            following = next(kept, None)
            if following is None:
                kept = iter(torch.randperm(retain, generator=generator).split(size))
                following = next(kept)
            yield epoch, rows, following


def nabla_tau_written_out(
    split: Split, *, preset: str, size: int, seed: int, alpha: float | None = None
) -> Written:
    """max(0, τ − L_F)², α falling once a forget-epoch, τ every five, the network in eval mode."""
    fixed, sweeps, rate, left = PUBLISHED[preset]
    batches_f, batches_r = (-(-len(part) // size) for part in (split.forget, split.retain))
    share = len(split.forget) / (len(split.forget) + len(split.retain))
    first = fixed if fixed is not None else min(5 / 3 * share, 0.95)
    first = first if alpha is None else alpha
    epochs = max(1, int(sweeps * batches_r / batches_f))
    made = Written(deepcopy(trained()).eval())
    optimizer = torch.optim.AdamW(made.network.parameters(), lr=rate, weight_decay=0.01)
    tau = float("nan")
    for step, (epoch, rows, kept) in enumerate(pairs(split, size=size, epochs=epochs, seed=seed)):
        if step % batches_f == 0:
            if epoch % C == 0:
                tau = mean_loss(made.network, split.validation.batch).item()
            optimizer.param_groups[0]["lr"] = rate * (1 - (1 - left) * epoch / epochs)
        gap = tau - mean_loss(made.network, split.forget.rows(rows))
        now = first * (1 - epoch / epochs)
        hinge = gap**2 if gap > 0 else 0 * gap
        loss = now * hinge + (1 - now) * mean_loss(made.network, split.retain.rows(kept))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        made.alphas.append(now)
        made.taus.append(tau)
    return made


def fine_tuned(split: Split, *, size: int, epochs: int, seed: int) -> nn.Module:
    """AdamW on the retain loss alone, with the retain batches of ∇τ and its falling rate."""
    network = deepcopy(trained()).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    fall = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=epochs)
    steps = list(pairs(split, size=size, epochs=epochs, seed=seed))
    for step, (_, _, kept) in enumerate(steps, start=1):
        optimizer.zero_grad()
        mean_loss(network, split.retain.rows(kept)).backward()
        optimizer.step()
        if step % (len(steps) // epochs) == 0:
            fall.step()
    return network
