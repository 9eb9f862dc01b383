"""All movable weights, and both gradients, in flat buffers: a step is a few operations, not a loop.

A block is one parameter tensor. Each is padded with zeros to whole chunks, so that sums per block
are sums of rows and coefficients per block are one column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.unlearning.contract import Diverged
from models.unlearning.hamu_step import Floats

# Inner products are summed in the gradients' precision within a chunk, in float64 across chunks.
# 256 products lose about as much to rounding as each of them did when it was formed.
CHUNK = 256


@dataclass(frozen=True)
class Blocks:
    """Where the weights and gradients of ℓ tensors lie.

    `weights`: `[chunks, CHUNK]`, the weights that are moved; the parameters are copied from them.
    `slopes`: `[2, chunks, CHUNK]`, retain and forget gradient. `first`, `counts`: `[ℓ]`, each
    block's first chunk and number of chunks. `size`: how many numbers there are without padding.
    """

    parameters: list[Tensor]
    weights: Tensor
    slopes: Tensor
    first: NDArray[np.int64]
    counts: NDArray[np.int64]
    size: int
    weight_views: list[Tensor]
    retain_views: list[Tensor]
    forget_views: list[Tensor]


def lay_out(parameters: list[Tensor]) -> Blocks:
    """Buffers for these parameters, in float32 or, where one of them is wider, in float64.

    Half-precision parameters thereby get full-precision weights to be moved, as mixed-precision
    training has them.
    """
    sizes = np.array([parameter.numel() for parameter in parameters])
    counts = -(-sizes // CHUNK)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    wide = any(parameter.dtype == torch.float64 for parameter in parameters)
    buffers = torch.zeros(
        (3, int(counts.sum()), CHUNK),
        dtype=torch.float64 if wide else torch.float32,
        device=parameters[0].device,
    )
    views = [_views(buffer, parameters, first) for buffer in buffers]
    blocks = Blocks(
        parameters=parameters,
        weights=buffers[0],
        slopes=buffers[1:],
        first=first,
        counts=counts,
        size=int(sizes.sum()),
        weight_views=views[0],
        retain_views=views[1],
        forget_views=views[2],
    )
    fill(blocks.weight_views, [parameter.detach() for parameter in parameters])
    return blocks


@torch.no_grad()
def fill(views: list[Tensor], parts: Sequence[Tensor]) -> None:
    """Copy tensors to their places in a buffer."""
    torch._foreach_copy_(views, list(parts))


def triples(blocks: Blocks) -> Floats:
    """`[ℓ, 3]` float64: g_r·g_r, g_f·g_f and g_r·g_f of each block; `Diverged` if not finite."""
    retain, forget = blocks.slopes
    rows = torch.stack(
        [
            torch.linalg.vecdot(retain, retain),
            torch.linalg.vecdot(forget, forget),
            torch.linalg.vecdot(retain, forget),
        ]
    )
    sums: Floats = np.add.reduceat(rows.cpu().numpy(), blocks.first, axis=1, dtype=np.float64).T
    if not np.isfinite(sums).all():
        raise Diverged("a gradient is not finite")
    return sums


@torch.no_grad()
def move(blocks: Blocks, *, by_retain: Floats, by_forget: Floats) -> None:
    """w += α·g_r + β·g_f per block, with the gradients as they lie in `slopes`."""
    for slope, by in zip(blocks.slopes, (by_retain, by_forget), strict=True):
        column = torch.from_numpy(np.repeat(by, blocks.counts)[:, None]).to(slope)
        blocks.weights.addcmul_(slope, column)
    publish(blocks)


@torch.no_grad()
def restore(blocks: Blocks, weights: Tensor) -> None:
    """Return to weights that were saved before."""
    blocks.weights.copy_(weights)
    publish(blocks)


@torch.no_grad()
def publish(blocks: Blocks) -> None:
    """Make the network's parameters what the buffer says."""
    torch._foreach_copy_(blocks.parameters, blocks.weight_views)


def _views(buffer: Tensor, parameters: list[Tensor], first: NDArray[np.int64]) -> list[Tensor]:
    flat = buffer.view(-1)
    return [
        flat[start * CHUNK : start * CHUNK + parameter.numel()].view(parameter.shape)
        for start, parameter in zip(first.tolist(), parameters, strict=True)
    ]
