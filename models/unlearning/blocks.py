"""All movable weights in one flat buffer, and both gradients beside it: a step is a few operations.

A block is one parameter tensor. Each is padded with zeros to whole chunks, so that sums per block
are sums of rows, coefficients per block are one column, and ranks of a team can own rows.
Where the gradients lie, and why not all are copied together, is said in `pieces.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.diverged import Diverged
from models.unlearning.hamu_step import Floats
from models.unlearning.pieces import CHUNK, Piece, Span, in_place, rows_of, spans_of
from models.unlearning.team import ALONE, Team, add_up, collect, sum_of_parts


@dataclass(frozen=True)
class Blocks:
    """Where the weights and gradients of ℓ tensors lie.

    `weights`: `[chunks, CHUNK]`, the weights that are moved. Parameters that can lie in it do so
    until `let_go`; the `others`, of less precision or not contiguous, are copied from it.
    `own_weights`: the rows of it that this rank moves: all of them in a team of one.
    `slopes`: `[2, packed chunks, CHUNK]`, retain and forget gradient of this rank's part of the
    batches, as far as they are copied; `packed` says of which parameters.
    `own_slopes`: `[2, own chunks, CHUNK]`, the gradients of the whole batches where they are owned.
    `pieces`: both gradients since they were `put`, in the order of `spans`.
    `scratch`: `[chunks of a piece, CHUNK]`, for what is not kept: pages are dearer than arithmetic.
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
    packed: list[bool]
    spans: list[Span]
    pieces: list[Piece]
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
    weight_views = _views(weights, parameters, counts)
    apart = [p.dtype != dtype or not p.is_contiguous() for p in parameters]
    tiled = team.size == 1 and weights.device.type == "cpu"
    packed = [not (tiled and in_place(parameter, dtype)) for parameter in parameters]
    few = list(compress(counts, packed))
    slopes = weights.new_zeros((2, sum(few) if tiled else rows, CHUNK))
    retain_views, forget_views = (
        _views(buffer, list(compress(parameters, packed)), few) for buffer in slopes
    )
    share = rows // team.size
    own = slice(team.rank * share, (team.rank + 1) * share)
    spans = spans_of(counts, packed) if tiled else [Span(slice(0, share), slice(0, share), None)]
    # Rows of padding at the end belong to the last block: they are zero and add nothing to it.
    owners = np.append(np.repeat(np.arange(len(sizes)), counts), [len(sizes) - 1] * rows)[:rows][
        own
    ]
    blocks = Blocks(
        parameters=parameters,
        others=list(compress(parameters, apart)),
        other_views=list(compress(weight_views, apart)),
        weights=weights,
        own_weights=weights[own],
        slopes=slopes,
        own_slopes=slopes if team.size == 1 else torch.zeros_like(slopes[:, own]),
        packed=packed,
        spans=spans,
        pieces=[],
        scratch=weights.new_zeros((max(s.rows.stop - s.rows.start for s in spans), CHUNK)),
        owners=owners,
        starts=np.flatnonzero(np.diff(owners, prepend=-1)),
        size=sum(sizes),
        weight_views=weight_views,
        retain_views=retain_views,
        forget_views=forget_views,
        team=team,
    )
    fill(blocks.weight_views, [parameter.detach() for parameter in parameters])
    for parameter, view, copied in zip(parameters, weight_views, apart, strict=True):
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
    if views:
        torch._foreach_copy_(views, list(parts))


def put(blocks: Blocks, retain: Sequence[Tensor], forget: Sequence[Tensor]) -> None:
    """Take over both gradients, of this rank's part of the batches; they are changed from now on.

    What lies in `own_slopes` then is of the whole batches, as far as this rank owns it.
    """
    for views, parts in ((blocks.retain_views, retain), (blocks.forget_views, forget)):
        fill(views, list(compress(parts, blocks.packed)))
    for part, own in zip(blocks.slopes, blocks.own_slopes, strict=True):
        sum_of_parts(blocks.team, part, own)
    sources: dict[int | None, Iterable[Tensor]] = {
        place: [rows_of(parts[place]) for parts in (retain, forget)]
        for place, packed in enumerate(blocks.packed)
        if not packed
    }
    sources[None] = blocks.own_slopes
    blocks.pieces[:] = [
        Piece(span.rows, *(source[span.part] for source in sources[span.parameter]))
        for span in blocks.spans
    ]


def triples(blocks: Blocks) -> Floats:
    """`[ℓ, 3]` float64: g_r·g_r, g_f·g_f and g_r·g_f of each block; `Diverged` if not finite."""
    sums_of_rows = blocks.weights.new_empty((3, len(blocks.own_weights)))
    for piece in blocks.pieces:
        norms_retain, norms_forget, inner = sums_of_rows[:, piece.rows]
        torch.linalg.vector_norm(piece.retain, dim=-1, out=norms_retain)
        torch.linalg.vector_norm(piece.forget, dim=-1, out=norms_forget)
        products = torch.mul(piece.retain, piece.forget, out=blocks.scratch[: len(inner)])
        torch.sum(products, dim=-1, out=inner)
    rows = sums_of_rows.cpu().numpy().astype(np.float64)
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
    """w += α·g_r + β·g_f per block. The gradients are spent by it.

    `root`: M^-½, `[own chunks, CHUNK]`, by which they were scaled and the step is scaled again.
    """
    columns = torch.from_numpy(np.stack([by_retain, by_forget])[:, blocks.owners, None])
    columns = columns.to(blocks.own_slopes)
    for piece in blocks.pieces:
        weights, (of_retain, of_forget) = blocks.own_weights[piece.rows], columns[:, piece.rows]
        if root is None:
            weights.addcmul_(piece.retain, of_retain).addcmul_(piece.forget, of_forget)
        else:
            step = torch.mul(piece.retain, of_retain, out=blocks.scratch[: len(weights)])
            weights.addcmul_(step.addcmul_(piece.forget, of_forget), root[piece.rows])
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
