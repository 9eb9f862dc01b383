"""All movable weights, and both gradients, in flat buffers: a step is a few operations, not a loop.

A block is one parameter tensor. Each is padded with zeros to whole chunks, so that sums per block
are sums of rows, coefficients per block are one column, and ranks of a team can own rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.diverged import Diverged
from models.unlearning.hamu_step import Floats
from models.unlearning.team import ALONE, Team, add_up, collect, sum_of_parts

# Inner products are summed in the gradients' precision within a chunk, in float64 across chunks.
# 256 products lose about as much to rounding as each of them did when it was formed.
CHUNK = 256


@dataclass(frozen=True)
class Blocks:
    """Where the weights and gradients of ℓ tensors lie.

    `weights`: `[chunks, CHUNK]`, the weights that are moved. Parameters that can lie in it do so
    until `let_go`; the `others`, of less precision or not contiguous, are copied from it.
    `own_weights`: the rows of it that this rank moves: all of them in a team of one.
    `slopes`: `[2, chunks, CHUNK]`, retain and forget gradient of this rank's part of the batches.
    `own_slopes`: `[2, own chunks, CHUNK]`, the gradients of the whole batches where they are owned.
    `scratch`: `[own chunks, CHUNK]`, room for what is not kept: pages are dearer than arithmetic.
    `owners`: `[own chunks]`, the block of each own row; `starts`: where a new one begins.
    `size`: how many numbers there are without padding.
    """

    parameters: list[Tensor]
    others: list[Tensor]
    other_views: list[Tensor]
    weights: Tensor
    own_weights: Tensor
    slopes: Tensor
    own_slopes: Tensor
    scratch: Tensor
    owners: NDArray[np.int64]
    starts: NDArray[np.int64]
    size: int
    weight_views: list[Tensor]
    retain_views: list[Tensor]
    forget_views: list[Tensor]
    team: Team


def lay_out(parameters: list[Tensor], *, team: Team = ALONE) -> Blocks:
    """Buffers for these parameters, in float32 or, where one of them is wider, in float64.

    Half-precision parameters thereby get full-precision weights to be moved, as mixed-precision
    training has them. Parameters on several devices are a `ValueError`.
    """
    if len({parameter.device for parameter in parameters}) > 1:
        raise ValueError("the network's parameters are on several devices; move it to one")
    sizes = [parameter.numel() for parameter in parameters]
    counts = [-(-size // CHUNK) for size in sizes]
    rows = -(-sum(counts) // team.size) * team.size
    wide = any(parameter.dtype == torch.float64 for parameter in parameters)
    dtype = torch.float64 if wide else torch.float32
    weights = torch.zeros((rows, CHUNK), dtype=dtype, device=parameters[0].device)
    slopes = weights.new_zeros((2, rows, CHUNK))
    views = [_views(buffer, parameters, counts) for buffer in (weights, *slopes)]
    apart = [p.dtype != dtype or not p.is_contiguous() for p in parameters]
    share = rows // team.size
    own = slice(team.rank * share, (team.rank + 1) * share)
    # Rows of padding at the end belong to the last block: they are zero and add nothing to it.
    owners = np.append(np.repeat(np.arange(len(sizes)), counts), [len(sizes) - 1] * rows)[:rows][
        own
    ]
    blocks = Blocks(
        parameters=parameters,
        others=list(compress(parameters, apart)),
        other_views=list(compress(views[0], apart)),
        weights=weights,
        own_weights=weights[own],
        slopes=slopes,
        own_slopes=slopes if team.size == 1 else torch.zeros_like(slopes[:, own]),
        scratch=torch.zeros_like(weights[own]),
        owners=owners,
        starts=np.flatnonzero(np.diff(owners, prepend=-1)),
        size=sum(sizes),
        weight_views=views[0],
        retain_views=views[1],
        forget_views=views[2],
        team=team,
    )
    fill(blocks.weight_views, [parameter.detach() for parameter in parameters])
    for parameter, view, copied in zip(parameters, views[0], apart, strict=True):
        if not copied:
            parameter.data = view
    return blocks


def let_go(blocks: Blocks) -> None:
    """Give each parameter memory of its own again: nothing else of the buffers stays."""
    for parameter in blocks.parameters:
        parameter.data = parameter.data.clone()


@torch.no_grad()
def fill(views: list[Tensor], parts: Sequence[Tensor]) -> None:
    """Copy tensors to their places in a buffer."""
    torch._foreach_copy_(views, list(parts))


def sum_slopes(blocks: Blocks) -> None:
    """From gradients of parts of the batches to those of the whole, where this rank owns them."""
    for part, own in zip(blocks.slopes, blocks.own_slopes, strict=True):
        sum_of_parts(blocks.team, part, own)


def triples(blocks: Blocks) -> Floats:
    """`[ℓ, 3]` float64: g_r·g_r, g_f·g_f and g_r·g_f of each block; `Diverged` if not finite."""
    norms = torch.linalg.vector_norm(blocks.own_slopes, dim=-1)
    inner = torch.mul(*blocks.own_slopes, out=blocks.scratch).sum(dim=-1)
    rows = torch.cat([norms, inner[None]]).cpu().numpy().astype(np.float64)
    rows[:2] **= 2
    sums = np.zeros((len(blocks.parameters), 3))
    sums[blocks.owners[blocks.starts]] = np.add.reduceat(rows, blocks.starts, axis=1).T
    if blocks.team.size > 1:
        everywhere = torch.from_numpy(sums).to(blocks.weights.device)
        sums = add_up(blocks.team, everywhere).cpu().numpy()
    if not np.isfinite(sums).all():
        raise Diverged("a gradient is not finite")
    return sums


@torch.no_grad()
def move(
    blocks: Blocks, *, by_retain: Floats, by_forget: Floats, root: Tensor | None = None
) -> None:
    """w += α·g_r + β·g_f per block, with the gradients as they lie in `own_slopes`.

    `root`: M^-½, `[own chunks, CHUNK]`, by which they were scaled and the step is scaled again.
    """
    columns = torch.from_numpy(np.stack([by_retain, by_forget])[:, blocks.owners, None])
    columns = columns.to(blocks.own_slopes)
    if root is None:
        for slope, column in zip(blocks.own_slopes, columns, strict=True):
            blocks.own_weights.addcmul_(slope, column)
    else:
        step = torch.mul(blocks.own_slopes[0], columns[0], out=blocks.scratch)
        blocks.own_weights.addcmul_(step.addcmul_(blocks.own_slopes[1], columns[1]), root)
    if blocks.team.size > 1:
        collect(blocks.team, blocks.own_weights.clone(), blocks.weights)
    publish(blocks)


@torch.no_grad()
def restore(blocks: Blocks, weights: Tensor) -> None:
    """Return to weights that were saved before."""
    blocks.weights.copy_(weights)
    publish(blocks)


@torch.no_grad()
def publish(blocks: Blocks) -> None:
    """Make the network's parameters what the buffer says."""
    if blocks.others:
        torch._foreach_copy_(blocks.others, blocks.other_views)


def _views(buffer: Tensor, parameters: list[Tensor], counts: list[int]) -> list[Tensor]:
    pieces = buffer[: sum(counts)].split(counts)
    return [
        piece.reshape(-1)[: parameter.numel()].view(parameter.shape)
        for piece, parameter in zip(pieces, parameters, strict=True)
    ]
