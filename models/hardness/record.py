"""What was measured before a decision: plain numbers, so that whoever decides needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class TargetRule(StrEnum):
    """Where the losses come from that unseen samples should have."""

    REFERENCE = "reference"  # per sample, from references that never saw it
    MATCHED = "matched"  # the mean held-out loss of the sample's stratum, for one sample or for all


class Scale(StrEnum):
    """In which scale a deficit is taken."""

    LOSS = "loss"
    CONFIDENCE = "confidence"  # log(eˡ − 1), the negated logit of the confidence


class Proxy(StrEnum):
    """How memorization was estimated; every score is turned so that higher is more memorized."""

    CONFIDENCE = "confidence"  # one less the mean confidence over the epochs of training
    HOLDOUT = "holdout"  # change of loss after a short training on held-out samples


@dataclass(frozen=True)
class Shares:
    """What a forget set takes away. `total`: share of the training set, 0..1.

    `strata`: of each affected stratum (its number, as text) the share to be forgotten; `left`: the
    samples of it that stay. `comparable`: the share of the samples, 0..1, that an audit can compare
    with unseen and with kept ones of their strata.
    """

    count: int
    total: float
    strata: Mapping[str, float]
    left: Mapping[str, int]
    comparable: float = 1.0


@dataclass(frozen=True)
class Deficit:
    """How much forgetting is owed, δ_i = τ_i − ℓ_i, in its `scale`.

    `mean` and its standard `error`; `positive`: share with δ_i > 0; `owed`: mean of (δ_i)₊.
    `spread`: standard deviation of one reference's mean deficit. `exposed`: share with δ_i over
    twice its own references' deviation. The last two are None without references.
    """

    rule: TargetRule
    mean: float
    error: float
    positive: float
    owed: float
    spread: float | None = None
    exposed: float | None = None
    scale: Scale = Scale.LOSS


@dataclass(frozen=True)
class Reconciliation:
    """HAMU's κ of the whole network and its two thresholds (arXiv 2606.02119).

    `kappa`: inner product of the mean retain and forget gradient. `cosine`: κ over the unbiased
    norms, None where a norm is lost in noise. `kappa1`: up to here descent on the retain set
    forgets enough by itself. `kappa2`: above here every step that forgets enough harms the retain
    set. `beyond_kappa2_error`: standard error of κ − κ2. `quota`: the share q of the greatest
    possible gain that "enough" means. `block_cosines`: by parameter tensor, those lost in noise
    left out; `blocks_direct` and `blocks_degrading`: the share of them beyond either threshold.
    `predicted_harm`: change of the retain loss in a layer-wise step, over that of descent, −1..1.
    `block_kappas`, `block_kappa_errors`: κ by parameter tensor, and its standard errors.
    """

    kappa: float
    kappa_error: float
    cosine: float | None
    cosine_error: float | None
    kappa1: float
    kappa2: float
    beyond_kappa2_error: float
    quota: float
    block_cosines: Mapping[str, float]
    blocks_direct: float
    blocks_degrading: float
    predicted_harm: float
    block_kappas: Mapping[str, float] = field(default_factory=dict)
    block_kappa_errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def angle(self) -> float | None:
        """The angle between the two gradients, in degrees."""
        return None if self.cosine is None else math.degrees(math.acos(self.cosine))


@dataclass(frozen=True)
class Entanglement:
    """RUM's ES about the exact pooled mean (arXiv 2406.01257); None where the means coincide.

    `rank`: share of random sets of the same size with a lower score. `random`: what the closed
    form gives a random set of this size, of which as many samples were looked at.
    """

    score: float | None
    rank: float | None
    random: float


@dataclass(frozen=True)
class Memorization:
    """How much of the forget set was learnt by heart.

    `mean`: in the proxy's own unit. `share`: of the forget set above the retain set's ninth decile;
    0.1 is what a random forget set has.
    """

    proxy: Proxy
    mean: float
    share: float


@dataclass(frozen=True)
class Hardness:
    """How hard it will be to forget one forget set, and what it cost to find out.

    Into JSON by `dataclasses.asdict`, back by `Hardness.of`; no number is NaN or infinite.
    `samples`: of the forget set, those that were looked at. `sample_passes`: forward passes of one
    sample, with or without a backward pass.
    """

    shares: Shares
    deficit: Deficit
    reconciliation: Reconciliation
    entanglement: Entanglement
    memorization: Memorization | None
    samples: int
    sample_passes: int
    seconds: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The value that was written down with `asdict`; older records do not name the scale."""
        memorized, owed = record["memorization"], record["deficit"]
        known = {"scale": Scale.LOSS if owed["spread"] is None else Scale.CONFIDENCE} | owed
        return cls(
            shares=Shares(**record["shares"]),
            deficit=Deficit(
                **{**known, "rule": TargetRule(known["rule"]), "scale": Scale(known["scale"])}
            ),
            reconciliation=Reconciliation(**record["reconciliation"]),
            entanglement=Entanglement(**record["entanglement"]),
            memorization=memorized
            and Memorization(**{**memorized, "proxy": Proxy(memorized["proxy"])}),
            samples=record["samples"],
            sample_passes=record["sample_passes"],
            seconds=record["seconds"],
        )
