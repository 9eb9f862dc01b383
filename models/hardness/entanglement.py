"""How deeply the forget set sits among what is kept: RUM's entanglement score.

Source: Zhao et al., arXiv 2406.01257. Convention: μ is the exact mean of all samples pooled, as in
the paper; its authors' code takes the midpoint (μ_R + μ_S)/2, which gives 2(p² + (1−p)²) times
this value, p being the forget set's share. The score depends on the sets' sizes, so it is only
given beside random sets of the same size.
"""

from math import isnan

import torch
from torch import Tensor

from models.hardness.record import Entanglement


def entanglement(
    retain: Tensor,
    forget: Tensor,
    *,
    share: float | None = None,
    draws: int = 200,
    generator: torch.Generator,
) -> Entanglement:
    """ES of embeddings `[R, d]` and `[S, d]`, and its place among `draws` random sets of S.

    `share`: the forget set's of all samples, where those given were drawn from each side. Raises
    `ValueError` for an empty side and for embeddings that are not finite.
    """
    pooled = centred(retain, forget)
    size = len(forget)
    drawn = size / len(pooled)
    weight = about(drawn) / about(drawn if share is None else share)
    sets = [torch.randperm(len(pooled), generator=generator)[:size] for _ in range(draws)]
    sets.append(torch.arange(len(retain), len(pooled)))
    *others, score = entanglement_scores(pooled, torch.stack(sets)).tolist()
    known = [other for other in others if not isnan(other)]
    usual = weight * random_score(len(retain), size)
    if isnan(score):
        return Entanglement(None, None, usual)
    rank = sum(other < score for other in known) / len(known) if known else None
    return Entanglement(weight * score, rank, usual)


def entanglement_scores(pooled: Tensor, sets: Tensor) -> Tensor:
    """`[D]`: (σ²_R + σ²_S) / ½(‖μ_R − μ‖² + ‖μ_S − μ‖²) of centred embeddings `[N, d]`.

    `sets`: the places of each S, int64 `[D, S]`. The retain sides follow from the totals, as μ = 0.
    NaN where the means differ by rounding only: they are the same then.
    """
    size, rest = sets.shape[1], len(pooled) - sets.shape[1]
    chosen = torch.zeros(len(sets), len(pooled), dtype=pooled.dtype).scatter_(1, sets, 1.0)
    squares = pooled.square().sum(dim=1)
    totals, ours = chosen @ pooled, chosen @ squares
    apart, rest_apart = ((totals / count).square().sum(dim=1) for count in (size, rest))
    within = ours / size - apart + (squares.sum() - ours) / rest - rest_apart
    between = (apart + rest_apart) / 2
    rounding = torch.finfo(pooled.dtype).eps * squares.sum() / len(pooled)
    return torch.where(between <= rounding, torch.nan, within / between)


def random_score(retain: int, forget: int) -> float:
    """ES of a random set, 2 / (½(p² + (1−p)²)(1/|S| + 1/|R|)), whatever the embeddings."""
    return 2 / (about(forget / (forget + retain)) * (1 / forget + 1 / retain))


def about(p: float) -> float:
    """½(‖μ_R − μ‖² + ‖μ_S − μ‖²) over ‖μ_R − μ_S‖², where S weighs p in the pooled mean μ."""
    return (p**2 + (1 - p) ** 2) / 2


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
