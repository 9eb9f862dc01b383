"""From what networks said of samples to the evidence: what attacks find and what scores lose."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from models.auditing.attacks import Ints, Separation, average, difference, matched, separation
from models.auditing.evidence import Attack, Drop, Leak, Yardstick
from models.auditing.intervals import CERTAIN
from models.auditing.nulls import Chance, chance, found_by_chance
from models.auditing.population import POPULATION_ATTACKS, calibrated_attack
from models.auditing.report import STRATA_CAP, Attacked, Change
from models.auditing.signals import Heard, Said
from models.auditing.utility import drop, worst_strata
from models.data import Split


def matched_share(split: Split) -> float:
    """The share of the forgotten samples that have unseen ones of their stratum."""
    return float(matched(split.forget.strata.numpy(), split.validation.strata.numpy()).mean())


def kept_share(split: Split) -> float:
    """The share of the forgotten samples whose stratum keeps as many samples as it loses.

    Attacks compare samples of one stratum with each other. A network that never met a stratum is as
    ignorant of all of it as one that was left as it was is sure of all of it.
    """
    forgotten, kept = split.forget.strata.numpy(), split.retain.strata.numpy()
    strata, place, lost = np.unique(forgotten, return_inverse=True, return_counts=True)
    left = np.array([np.count_nonzero(kept == stratum) for stratum in strata])
    return float((left >= lost)[place].mean())


def leaks(heard: Heard, split: Split, *, confidence: float) -> tuple[Leak, ...]:
    """What each attack finds beyond the yardstick, and what chance would find among such people.

    None where no stratum can be compared. Where every sample is a person, the plain intervals say
    it all: the noise would be a second estimate of the same error, and the larger of two is too
    large.
    """
    if matched_share(split) == 0:
        return ()
    networks = [said["validation"] for said in (heard.parent, *heard.yardsticks)]
    strangers = found_by_chance(networks, split.validation.owners)
    people = split.forget.owners if split.validation.subjects else split.forget.ids
    together = len(set(people)) < len(people)
    return tuple(
        allowing(
            leak,
            chance(strangers[leak.attack], people, certain=CERTAIN),
            together=together,
            confidence=confidence,
        )
        for leak in plain_leaks(heard, confidence=confidence)
    )


def plain_leaks(heard: Heard, *, confidence: float) -> tuple[Leak, ...]:
    """What each attack finds, its intervals as if every sample erred by itself."""
    yardstick = Yardstick.REFERENCE if heard.yardsticks else Yardstick.HELD_OUT
    return tuple(
        Leak(
            attack,
            yardstick,
            paired=bool(heard.yardsticks) and attack in POPULATION_ATTACKS,
            after=found(attack, heard.served, heard.yardsticks, confidence=confidence),
            before=found(attack, heard.parent, heard.yardsticks, confidence=confidence),
        )
        for attack in attacks_beside(heard.yardsticks)
    )


def allowing(leak: Leak, expected: Chance, *, together: bool, confidence: float) -> Leak:
    """The same leak, with intervals that allow for samples of a person that stand together."""
    if not together:
        return replace(leak, bound=expected.bound)
    return replace(
        leak,
        after=leak.after.at_least(expected.noise, confidence=confidence),
        before=leak.before.at_least(expected.noise, confidence=confidence),
        noise=expected.noise,
        bound=expected.bound,
    )


def attacks_beside(yardsticks: Sequence[Said]) -> tuple[Attack, ...]:
    """Those that can be run: what calibrates by references needs some."""
    return (*POPULATION_ATTACKS, *((Attack.CALIBRATED,) if yardsticks else ()))


def found(
    attack: Attack, said: Said, yardsticks: Sequence[Said], *, confidence: float
) -> Separation:
    """An attack's AUC less that on the references; less 0.5 where there are none, or where the
    attack is calibrated by them."""
    if attack is Attack.CALIBRATED:
        return separation(calibrated_attack(said, yardsticks), confidence=confidence).over_chance()
    run = POPULATION_ATTACKS[attack]
    if not yardsticks:
        return separation(run(said), confidence=confidence).over_chance()
    return difference(
        run(said), average([run(other) for other in yardsticks]), confidence=confidence
    )


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
