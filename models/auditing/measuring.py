"""From what networks said of samples to the evidence: what attacks find and what scores lose."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from models.auditing.attacks import (
    Ints,
    Placements,
    average,
    calibrated,
    difference,
    matched,
    middling,
    placements,
    separation,
)
from models.auditing.evidence import Attack, Drop, Leak, Yardstick
from models.auditing.report import STRATA_CAP, Attacked, Change
from models.auditing.signals import Heard, Said
from models.auditing.utility import drop, worst_strata


def matched_share(said: Said) -> float:
    """The share of the forgotten samples that have unseen ones of their stratum."""
    return float(matched(said["forget"].strata, said["validation"].strata).mean())


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


def leaks(heard: Heard, *, confidence: float) -> tuple[Leak, ...]:
    """What each attack finds beyond the yardstick; none where no stratum can be compared."""
    if matched_share(heard.served) == 0:
        return ()
    if not heard.yardsticks:
        return held_out_leaks(heard, confidence=confidence)
    return reference_leaks(heard, confidence=confidence)


def held_out_leaks(heard: Heard, *, confidence: float) -> tuple[Leak, ...]:
    """Each AUC less 0.5."""
    return tuple(
        Leak(
            attack,
            Yardstick.HELD_OUT,
            paired=False,
            after=separation(run(heard.served), confidence=confidence).over_chance(),
            before=separation(run(heard.parent), confidence=confidence).over_chance(),
        )
        for attack, run in POPULATION_ATTACKS.items()
    )


def reference_leaks(heard: Heard, *, confidence: float) -> tuple[Leak, ...]:
    """Each AUC less that on the references, and the AUC of what they calibrate less 0.5."""
    paired = []
    for attack, run in POPULATION_ATTACKS.items():
        yardstick = average([run(said) for said in heard.yardsticks])
        after, before = (
            difference(run(said), yardstick, confidence=confidence)
            for said in (heard.served, heard.parent)
        )
        paired.append(Leak(attack, Yardstick.REFERENCE, paired=True, after=after, before=before))
    after, before = (
        separation(calibrated_attack(said, heard.yardsticks), confidence=confidence).over_chance()
        for said in (heard.served, heard.parent)
    )
    beyond = Leak(Attack.CALIBRATED, Yardstick.REFERENCE, paired=False, after=after, before=before)
    return (*paired, beyond)


def drops(heard: Heard, kept: Ints, *, confidence: float) -> tuple[Drop, ...]:
    """Below the references where there are any, else below the parent, on retain and test.

    Only strata of which samples are `kept` count: where every sample of a class is forgotten, a
    retrain cannot serve it either.
    """
    against, other = list(heard.others.items())[-1]
    judged: list[Drop] = []
    for name in ("retain", "test"):
        rows = np.isin(heard.served[name].strata, kept)
        if rows.any():
            ours, theirs = heard.served[name].scores[rows], other[name].scores[rows]
            whole = drop(ours, theirs, confidence=confidence)
            judged.append(Drop(name, against, whole, whole=True))
            judged += [
                Drop(f"{name}, stratum {worst.stratum}", against, worst.drop, whole=False)
                for worst in worst_strata(
                    ours,
                    theirs,
                    heard.served[name].strata[rows],
                    most=STRATA_CAP,
                    confidence=confidence,
                )
            ]
    return tuple(judged)


def attack_table(networks: Mapping[str, Said], *, confidence: float) -> list[Attacked]:
    """Each attack on each network against either set of unseen samples, where a stratum matches."""
    return [
        Attacked(
            attack, name, unseen, separation(run(said, unseen), confidence=confidence).interval
        )
        for attack, run in POPULATION_ATTACKS.items()
        for name, said in networks.items()
        for unseen in ("validation", "test")
        if matched(said["forget"].strata, said[unseen].strata).any()
    ]


def change_table(heard: Heard, *, confidence: float) -> list[Change]:
    """By how much the served network's score lies below others', on the sets it should serve."""
    return [
        Change(
            samples=name,
            against=against,
            drop=drop(served.scores, other[name].scores, confidence=confidence),
            worst_strata=worst_strata(
                served.scores,
                other[name].scores,
                served.strata,
                most=STRATA_CAP,
                confidence=confidence,
            ),
        )
        for against, other in heard.others.items()
        for name, served in heard.served.items()
        if name != "forget"
    ]
