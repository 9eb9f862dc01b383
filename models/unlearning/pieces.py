"""Where the gradients of a step lie: copied together, or used where they came to be.

Copying them is what makes a step a few operations however many parameters there are. On a CPU a
large one is not copied: going through memory once more costs more than operations of its own. And
pieces there are as long as fits into a core's cache, so that what is computed from one finds it
there. On a GPU, and in a team, all gradients are one piece.
"""

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

# Inner products are summed in the gradients' precision within a chunk, in float64 across chunks.
# 256 products lose about as much to rounding as each of them did when it was formed.
CHUNK = 256
TILE = 512  # chunks of a piece at most: half a MiB of each gradient in float32


@dataclass(frozen=True)
class Span:
    """Rows of the weights, and where the gradients of these rows are.

    In that of one parameter, or else (None), in `part` of what is copied.
    """

    rows: slice
    part: slice
    parameter: int | None


@dataclass(frozen=True)
class Piece:
    """Both gradients, `[n, CHUNK]` each, of these rows of the weights that this rank moves."""

    rows: slice
    retain: Tensor
    forget: Tensor


def in_place(parameter: Tensor, dtype: torch.dtype) -> bool:
    """Whether its gradient is used where it is: it is large, and made of whole chunks."""
    size = parameter.numel()
    return parameter.dtype == dtype and size >= TILE * CHUNK and size % CHUNK == 0


def spans_of(counts: list[int], packed: list[bool]) -> list[Span]:
    """Of parameters with so many chunks, tile by tile: the copied ones lie one after another."""
    spans, row, place = list[Span](), 0, 0
    for alone, group in groupby(range(len(counts)), lambda p: None if packed[p] else p):
        count = sum(counts[parameter] for parameter in group)
        first = place if alone is None else 0
        for done in range(0, count, TILE):
            rows, part = (
                slice(start + done, start + min(done + TILE, count)) for start in (row, first)
            )
            spans.append(Span(rows, part, alone))
        row, place = row + count, place + (count if alone is None else 0)
    return spans


def rows_of(part: Tensor) -> Tensor:
    """`[n, CHUNK]`: a gradient of whole chunks, in its parameter's order."""
    return part.contiguous().view(-1, CHUNK)
