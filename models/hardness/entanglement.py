"""How deeply the forget set sits among what is kept: RUM's entanglement score.

Source: Zhao et al., arXiv 2406.01257. Convention: μ is the exact mean of all samples pooled, as in
the paper; its authors' code takes the midpoint (μ_R + μ_S)/2, which gives 2(p² + (1−p)²) times
this value, p being the forget set's share. The score depends on the sets' sizes, so it is only
given beside random sets of the same size.
"""

import torch
from torch import Tensor

from models.hardness.record import Entanglement


def entanglement(
    retain: Tensor, forget: Tensor, *, draws: int = 200, generator: torch.Generator
) -> Entanglement:
    """ES of embeddings `[R, d]` and `[S, d]`, and its place among `draws` random sets of S.

    Raises `ValueError` for an empty side and for embeddings that are not finite.
    """
    pooled = centred(retain, forget)
    squares = pooled.square().sum(dim=1)
    size = len(forget)
    score = entanglement_score(pooled, squares, torch.arange(len(retain), len(pooled)))
    others = [
        entanglement_score(pooled, squares, torch.randperm(len(pooled), generator=generator)[:size])
        for _ in range(draws)
    ]
    known = [other for other in others if other is not None]
    rank = None
    if score is not None and known:
        rank = sum(other < score for other in known) / len(known)
    return Entanglement(score, rank, random_score(len(retain), size))


def entanglement_score(pooled: Tensor, squares: Tensor, forget: Tensor) -> float | None:
    """(σ²_R + σ²_S) / ½(‖μ_R − μ‖² + ‖μ_S − μ‖²) of centred embeddings `[N, d]`.

    `squares`: ‖φ‖² of each, `[N]`; `forget`: the places of S. The retain side follows from the
    totals, as μ = 0.
    """
    size, rest = len(forget), len(pooled) - len(forget)
    total = pooled[forget].sum(dim=0)
    apart, rest_apart = (total / size).square().sum(), (total / rest).square().sum()
    all_squares, ours = squares.sum(), squares[forget].sum()
    within = ours / size - apart + (all_squares - ours) / rest - rest_apart
    between = (apart + rest_apart) / 2
    # Means that differ by rounding only are the same mean.
    if between <= torch.finfo(pooled.dtype).eps * all_squares / len(pooled):
        return None
    return (within / between).item()


def random_score(retain: int, forget: int) -> float:
    """ES of a random set, 2 / (½(p² + (1−p)²)(1/|S| + 1/|R|)), whatever the embeddings."""
    p = forget / (forget + retain)
    return 2 / ((p**2 + (1 - p) ** 2) / 2 * (1 / forget + 1 / retain))


def centroid_distances(retain: Tensor, forget: Tensor) -> Tensor:
    """The distance of each forget sample's embedding to the mean of all, float64 `[S]`."""
    return centred(retain, forget)[len(retain) :].norm(dim=1)


def centred(retain: Tensor, forget: Tensor) -> Tensor:
    """Both sides pooled, retain first, their common mean taken away, float64 `[N, d]`."""
    if len(retain) == 0 or len(forget) == 0:
        raise ValueError("entanglement needs samples on both sides")
    pooled = torch.cat((retain, forget)).double()
    if not bool(torch.isfinite(pooled).all()):
        raise ValueError("an embedding is not finite; the parent version is broken")
    return pooled - pooled.mean(dim=0)
