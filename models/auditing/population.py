"""The attacks that decide, from what a network says of forgotten and of unseen samples."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models.auditing.attacks import Placements, calibrated, middling, placements
from models.auditing.evidence import Attack
from models.auditing.signals import Said


def loss_attack(said: Said, unseen: str = "validation") -> Placements:
    """Members have lower losses (Yeom et al., arXiv 1709.01604)."""
    forget, never = said["forget"], said[unseen]
    return placements(-forget.losses, forget.strata, -never.losses, never.strata)


def spread_attack(said: Said, unseen: str = "validation") -> Placements:
    """Losses that lie closer to the middle, or further from it, than those of unseen samples."""
    forget, never = said["forget"], said[unseen]
    ours, theirs = middling(forget.losses, forget.strata, never.losses, never.strata)
    return placements(ours, forget.strata, theirs, never.strata)


def calibrated_attack(said: Said, references: Sequence[Said]) -> Placements:
    """Members are surer than networks that never saw them (offline LiRA, arXiv 2112.03570)."""
    forget, never = (
        calibrated(said[name].losses, np.stack([other[name].losses for other in references]))
        for name in ("forget", "validation")
    )
    return placements(forget, said["forget"].strata, never, said["validation"].strata)


# Attacks that need no reference, and can be compared with themselves on one.
POPULATION_ATTACKS: Mapping[Attack, Callable[..., Placements]] = {
    Attack.LOSS: loss_attack,
    Attack.SPREAD: spread_attack,
}
