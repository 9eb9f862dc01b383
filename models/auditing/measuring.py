"""From what networks said of samples to the evidence: what attacks find and what scores lose."""

from collections.abc import Sequence

import numpy as np

from models.auditing.attacks import (
    Ints,
    Placements,
    average,
    calibrated,
    difference,
    matched,
    placements,
    separation,
)
from models.auditing.evidence import Drop, Leak, Yardstick
from models.auditing.report import Attack, Change
from models.auditing.signals import Said
from models.auditing.utility import drop, worst_strata

STRATA_CAP = 10  # strata whose change is reported, those that fell most first


def matched_share(said: Said) -> float:
    """The share of the forgotten samples that have unseen ones of their stratum."""
    return float(matched(said["forget"].strata, said["validation"].strata).mean())


def leaks(
    parent: Said, served: Said, references: Sequence[Said], *, confidence: float
) -> tuple[Leak, ...]:
    """What each attack finds beyond the yardstick; none where no stratum can be compared."""
    if matched_share(served) == 0:
        return ()
    after, before = loss_attack(served), loss_attack(parent)
    if not references:
        found = (
            separation(placed, confidence=confidence).over_chance() for placed in (after, before)
        )
        return (Leak("loss", Yardstick.HELD_OUT, False, *found),)
    yardstick = average([loss_attack(said) for said in references])
    paired = (difference(placed, yardstick, confidence=confidence) for placed in (after, before))
    against = (
        separation(calibrated_attack(said, references), confidence=confidence).over_chance()
        for said in (served, parent)
    )
    return (
        Leak("loss", Yardstick.REFERENCE, True, *paired),
        Leak("calibrated", Yardstick.REFERENCE, False, *against),
    )


def loss_attack(said: Said, unseen: str = "validation") -> Placements:
    """Members have lower losses (Yeom et al., arXiv 1709.01604)."""
    forget, never = said["forget"], said[unseen]
    return placements(-forget.losses, forget.strata, -never.losses, never.strata)


def calibrated_attack(said: Said, references: Sequence[Said]) -> Placements:
    """Members are surer than networks that never saw them (offline LiRA, arXiv 2112.03570)."""
    forget, never = (
        calibrated(said[name].losses, np.stack([other[name].losses for other in references]))
        for name in ("forget", "validation")
    )
    return placements(forget, said["forget"].strata, never, said["validation"].strata)


def attack_table(heard: dict[str, Said], *, confidence: float) -> list[Attack]:
    """The loss attack on each network against either set of unseen samples, where one matches."""
    return [
        Attack(
            "loss",
            name,
            unseen,
            separation(loss_attack(said, unseen), confidence=confidence).interval,
        )
        for name, said in heard.items()
        for unseen in ("validation", "test")
        if matched(said["forget"].strata, said[unseen].strata).any()
    ]


def changes(served: Said, others: dict[str, Said], *, confidence: float) -> list[Change]:
    """By how much the served network's score lies below others', on the sets it should serve."""
    return [
        Change(
            samples=name,
            against=against,
            drop=drop(served[name].scores, other[name].scores, confidence=confidence),
            worst_strata=worst_strata(
                served[name].scores,
                other[name].scores,
                served[name].strata,
                most=STRATA_CAP,
                confidence=confidence,
            ),
        )
        for against, other in others.items()
        for name in ("retain", "validation", "test")
    ]


def drops(
    served: Said, other: Said, against: str, kept: Ints, *, confidence: float
) -> tuple[Drop, ...]:
    """The drops that are judged: over the strata that still have retained samples.

    Where every sample of a class is forgotten, a retrain cannot serve it either.
    """
    judged: list[Drop] = []
    for name in ("retain", "test"):
        rows = np.isin(served[name].strata, kept)
        if not rows.any():
            continue
        ours, theirs = served[name].scores[rows], other[name].scores[rows]
        judged.append(Drop(name, against, drop(ours, theirs, confidence=confidence), whole=True))
        judged += [
            Drop(f"{name}, stratum {worst.stratum}", against, worst.drop, whole=False)
            for worst in worst_strata(
                ours, theirs, served[name].strata[rows], most=STRATA_CAP, confidence=confidence
            )
        ]
    return tuple(judged)
