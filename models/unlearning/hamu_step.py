"""HAMU's step as pure algebra: three inner products per block in, two coefficients per block out.

Source: Chen, Niu, Sim, Liu, Chen, Low, "How Hard Can It Be? Hardness-Aware Multi-Objective
Unlearning", arXiv 2606.02119. A block is one parameter tensor with retain gradient g_r and forget
gradient g_f, both of losses that are not negated. Its triple is `(g_r·g_r, g_f·g_f, g_r·g_f)`; all
triples are float64 `[blocks, 3]`. NumPy, because a step is a score of operations on a few dozen
numbers, where the dispatch of a tensor library costs more than the arithmetic.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Below this product of norms a block has no plane to turn in: it takes its direct step.
NO_GRADIENT = 1e-30
# Below this sine the part of one gradient across the other is batch noise: nothing is spent on it.
COLLINEAR = 1e-3


class Form(StrEnum):
    """Which objective is bounded and which is optimised."""

    QUOTA = "quota"  # HAMU-Q: least retain change subject to a forget gain of at least Q
    UTILITY = (
        "utility"  # HAMU-U: most forget gain subject to a retain loss that falls by at least U
    )


@dataclass(frozen=True)
class Plan:
    """One step d = retain·g_r + forget·g_f per block, and what it promises to first order.

    `retain`, `forget`: α and β, `[blocks]`. `direct`: blocks whose plain step fulfils the bound.
    `share`: q, the same in all blocks. `capacity`: A = Σ‖g_r‖‖g_f‖. `rate`: η. `retain_change` and
    `forget_gain`: first-order changes of the two losses. `shortfall`: what was asked for (Q or U)
    less what the ball allows; 0 where the bound is feasible.
    """

    retain: Floats
    forget: Floats
    direct: Flags
    share: float
    capacity: float
    rate: float
    retain_change: float
    forget_gain: float
    shortfall: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """`[blocks]`: direct up to `easy` (κ1), collateral forgetting above `hard` (κ2)."""

    easy: Floats
    hard: Floats


def capacity(triples: Floats) -> float:
    """A = Σ‖g_r‖‖g_f‖: ηA is the most forget gain that the blocks' balls allow."""
    return float(_products(triples).sum())


def cosines(triples: Floats) -> Floats:
    """cosθ per block, `[blocks]`; 0 where a gradient vanishes."""
    products = _products(triples)
    moving = products > NO_GRADIENT
    return np.clip(
        np.divide(triples[:, 2], products, out=np.zeros_like(products), where=moving), -1, 1
    )


def share_of_quota(triples: Floats, *, rate: float, quota: float) -> float:
    """q = Q/(ηA) for an absolute bound (Q, or U); above 1 no step in the ball reaches it."""
    room = rate * capacity(triples)
    return quota / room if room > NO_GRADIENT else np.inf * np.sign(quota) if quota else 0.0


def thresholds(triples: Floats, *, share: float) -> Thresholds:
    """κ1 = −‖g_r‖‖g_f‖ sinφ and κ2 = ‖g_r‖‖g_f‖ cosφ with sinφ = q; the same for both forms."""
    products = _products(triples)
    return Thresholds(easy=-share * products, hard=np.sqrt(max(1 - share**2, 0.0)) * products)


def plan(
    triples: Floats,
    *,
    rate: float,
    share: float,
    ceiling: float = 1.0,
    form: Form = Form.QUOTA,
) -> Plan:
    """The optimal step with radius η‖g_r‖ per block (η‖g_f‖ in the utility form).

    `share` is q: the bound, as a share of the most that the balls allow; a relative quota passes a
    constant, an absolute one `share_of_quota`. In the utility form it may be negative: a retain
    budget. Where it exceeds `ceiling` the step is taken at the ceiling and `shortfall` says what is
    missing. A share below −1 asks for less than the plain step gives, and is the plain step.
    """
    granted = min(share, ceiling)
    total = capacity(triples)
    if form is Form.QUOTA:
        retain, forget, direct = _coefficients(triples, rate=rate, share=granted)
    else:
        # HAMU-U is HAMU-Q for the pair (−g_f, −g_r).
        swapped, negated, direct = _coefficients(triples[:, [1, 0, 2]], rate=rate, share=granted)
        retain, forget = -negated, -swapped
    return Plan(
        retain=retain,
        forget=forget,
        direct=direct,
        share=granted,
        capacity=total,
        rate=rate,
        retain_change=float(retain @ triples[:, 0] + forget @ triples[:, 2]),
        forget_gain=float(retain @ triples[:, 2] + forget @ triples[:, 1]),
        shortfall=(share - granted) * rate * total if share > granted else 0.0,
    )


def _coefficients(triples: Floats, *, rate: float, share: float) -> tuple[Floats, Floats, Flags]:
    """α, β and the direct blocks of HAMU-Q in its two-coefficient form.

    Rectified: α = −η cosφ/sinθ, β = η (‖g_r‖/‖g_f‖) cos(θ−φ)/sinθ. Direct where cosθ ≤ −q.
    """
    own, other = np.sqrt(triples[:, 0]), np.sqrt(triples[:, 1])
    cosine = cosines(triples)
    sine = np.sqrt(1 - cosine**2)
    still = own * other <= NO_GRADIENT
    direct = still | (cosine <= -share)
    collinear = ~direct & (sine < COLLINEAR)
    along = np.sqrt(max(1 - share**2, 0.0))
    ratio = np.divide(own, other, out=np.zeros_like(own), where=~still)
    safe = np.where(sine < COLLINEAR, 1.0, sine)
    alpha = np.where(direct, -rate, np.where(collinear, 0.0, -rate * along / safe))
    turned = np.where(collinear, share, (share * sine + along * cosine) / safe)
    beta = np.where(direct, 0.0, rate * ratio * turned)
    return alpha, beta, direct


def clip(triples: Floats, limit: float) -> tuple[Floats, float, float]:
    """The triples of both gradients clipped to a global norm, and the two factors (≤ 1).

    Each objective is clipped by itself, before anything is computed from it; the gradients need not
    be touched, as the factors go into the coefficients.
    """
    norms = np.sqrt(triples[:, :2].sum(axis=0))
    of_retain, of_forget = np.minimum(1.0, limit / np.maximum(norms, NO_GRADIENT))
    scale = np.array([of_retain**2, of_forget**2, of_retain * of_forget])
    return triples * scale, float(of_retain), float(of_forget)


def attainable_gain(triples: Floats, *, rate: float) -> float:
    """S1′: the most forget gain with no block's retain loss rising.

    Σ R‖g_f‖ sinθ, with 1 for sinθ where κ ≤ 0: such a block need not turn at all.
    """
    cosine = cosines(triples)
    return rate * float(
        (_products(triples) * np.where(cosine <= 0, 1.0, np.sqrt(1 - cosine**2))).sum()
    )


def jointly_attainable_gain(triples: Floats, *, rate: float, iterations: int = 80) -> float:
    """S3: the most forget gain with the retain loss, summed over blocks, not rising.

    min over λ ≥ 0 of Σ R‖g_f − λ g_r‖ (the dual), by bisection on its rising derivative. Each term
    is least at κ/‖g_r‖², so the search ends at the largest of these.
    """
    retain, forget, inner = triples.T
    radius = rate * np.sqrt(retain)
    moving = retain > NO_GRADIENT
    least = np.divide(inner, retain, out=np.zeros_like(inner), where=moving)
    low, high = 0.0, max(float(least.max(initial=0.0)), 0.0)

    def length(price: float) -> Floats:
        return np.sqrt(np.maximum(forget - 2 * price * inner + price**2 * retain, 0.0))

    for _ in range(iterations):
        price = (low + high) / 2
        lengths = length(price)
        slopes = np.divide(
            price * retain - inner, lengths, out=np.zeros_like(inner), where=lengths > 0
        )
        low, high = (price, high) if float(radius @ slopes) < 0 else (low, price)
    return float(radius @ length((low + high) / 2))


def _products(triples: Floats) -> Floats:
    return np.sqrt(triples[:, 0] * triples[:, 1])
