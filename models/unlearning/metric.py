"""The metric in which a step's length is measured, placed inside HAMU's problem.

With ‖d‖² = dᵀMd every inner product becomes aᵀM⁻¹b and the step is M⁻¹(α g_r + β g_f), so quota
and radius still hold exactly. Handing the finished step to an optimizer would keep neither. Both
gradients are scaled by M^-½ before the triples, the step by M^-½ after them.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from models.unlearning.blocks import Blocks
from models.unlearning.team import add_up

# Share of the mean of M that is added to it: a bound on how far weights move that the retain set
# does not feel at all.
DAMPING = 0.01


class Metric(StrEnum):
    """How the length of a step is measured."""

    PLAIN = "plain"  # M = I, as published
    ADAM = "adam"  # M = √v̂ + δ, v̂ the moving mean of squared retain gradients
    # M = v̂ + δ: near a minimum, where gradients of batches are mostly noise, v̂ is in proportion to
    # the diagonal of the retain set's empirical Fisher information; a constant goes into the rate.
    FISHER = "fisher"


@dataclass
class Curvature:
    """v̂, the moving mean of squared retain gradients, and how much weight it has gathered.

    `root`: where M^-½ is written.
    """

    metric: Metric
    decay: float
    mean_square: Tensor
    root: Tensor
    weight: float = 0.0


def curvature_of(blocks: Blocks, metric: Metric, *, decay: float) -> Curvature:
    """Nothing seen yet."""
    return Curvature(
        metric, decay, torch.zeros_like(blocks.own_weights), torch.zeros_like(blocks.own_weights)
    )


@torch.no_grad()
def precondition(blocks: Blocks, curvature: Curvature) -> Tensor | None:
    """See the retain gradient, scale both gradients by M^-½ and give M^-½.

    None, and nothing done, in the plain metric.
    """
    if curvature.metric is Metric.PLAIN:
        return None
    curvature.weight = 1 - curvature.decay * (1 - curvature.weight)
    # In this proportion it is at every step the mean of what was seen, without bias to nought.
    new = (1 - curvature.decay) / curvature.weight
    v, root = curvature.mean_square, curvature.root
    for piece in blocks.pieces:
        room = blocks.scratch[: len(piece.retain)]
        v[piece.rows].lerp_(torch.mul(piece.retain, piece.retain, out=room), new)
    diagonal = torch.sqrt(v, out=root) if curvature.metric is Metric.ADAM else v
    mean = add_up(blocks.team, diagonal.sum()) / blocks.size
    # A retain set without any gradient says nothing about the metric, and must not divide by it.
    damping = torch.where(mean > 0, DAMPING * mean, 1.0)
    for piece in blocks.pieces:
        rows = torch.add(diagonal[piece.rows], damping, out=root[piece.rows]).rsqrt_()
        piece.retain.mul_(rows)
        piece.forget.mul_(rows)
    return root
