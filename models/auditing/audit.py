"""Audit one job: attack the new network, measure what it is still good for, and judge.

Forward passes only, on the networks as served. Samples appear as counts and distributions.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from time import perf_counter

import numpy as np
from torch import nn

from models.auditing.bands import band
from models.auditing.canary_report import CanaryReport, Outcome
from models.auditing.evidence import Doubts, Evidence
from models.auditing.holdout import constant, copied, suspicion
from models.auditing.informing import informing, records
from models.auditing.measuring import (
    attack_table,
    change_table,
    drops,
    kept_share,
    leaks,
    matched_share,
)
from models.auditing.neighbours import Neighbours, Speaker, neighbours
from models.auditing.reference_attacks import Witnesses
from models.auditing.report import AuditReport, distributions, rocs, utility_table
from models.auditing.riders import Canaries, canary_report, canary_scores
from models.auditing.signals import (
    Heard,
    Said,
    audited_sets,
    finite,
    listen,
    movement,
    refuse_broken,
)
from models.auditing.verdict import Thresholds, judge
from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe
from models.training import evaluate

NOT_FINITE = "the new network gives values that are not finite"


def audit(
    before: nn.Module,
    after: nn.Module,
    split: Split,
    test: Samples,
    recipe: Recipe,
    *,
    route: str,
    references: Sequence[nn.Module] = (),
    judges: Sequence[Said] = (),
    witnesses: Witnesses | None = None,
    canaries: Canaries | None = None,
    unasked: str = "",
    seed: int,
    thresholds: Thresholds,
    progress: Progress,
) -> AuditReport:
    """Judge `after`, which the route made from `before` to forget `split.forget`.

    `references`: networks of the same recipe that never saw the forgotten samples, where there are
    any; `judges`: what such networks said before they were destroyed, `witnesses` the same of what
    they did not see only. `canaries`: those of which some ride with the forget set. `unasked`:
    why there is nobody of either kind, in words. What decides is measured against
    `split.validation`; `test` gives the utility, and a second AUC that is only reported, against
    samples that steered nothing.
    `ValueError` for sets that overlap or hold fewer than two samples, and for a parent or a
    reference that gives values that are not finite.
    """
    started = perf_counter()
    networks = (before, after, *references)
    sets = audited_sets(split, test, seed=seed)
    heard = replace(
        hear(networks, sets, recipe, progress=progress),
        judges=tuple(judges),
        witnesses=witnesses,
    )
    evidence = gather(
        heard,
        split,
        route=route,
        moved=movement(before, after),
        unasked=unasked,
        confidence=thresholds.confidence,
    )
    if canaries is not None:
        told = coins(before, after, heard, canaries, recipe, seed=seed, thresholds=thresholds)
        evidence = replace(
            evidence, canaries=told, finite=evidence.finite and told.why != NOT_FINITE
        )
    return report(
        heard,
        evidence,
        thresholds,
        near=near(networks, heard, split, recipe, seed=seed, thresholds=thresholds),
        people=split.forget.owners,
        samples={name: len(samples) for name, samples in sets.items()},
        seed=seed,
        started=started,
    )


def hear(
    networks: Sequence[nn.Module],
    sets: dict[str, Samples],
    recipe: Recipe,
    *,
    progress: Progress,
) -> Heard:
    """Score every set by every network; only the new one may be broken."""
    said = []
    for place, network in enumerate(networks):
        progress(place / len(networks), f"scored {place} of {len(networks)} networks")
        said.append(listen(network, sets, recipe))
    parent, served, *others = said
    for yardstick in (parent, *others):
        refuse_broken(yardstick)
    progress(1.0, "scored all networks")
    return Heard(parent, served, tuple(others))


def near(
    networks: Sequence[nn.Module],
    heard: Heard,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    thresholds: Thresholds,
) -> Neighbours | None:
    """What became of those who stay; nothing is asked of a network that is not finite."""
    if not finite(heard.served):
        return None
    said = (heard.parent, heard.served, *heard.references)
    before, *others = (
        Speaker(network, told["validation"]) for network, told in zip(networks, said, strict=True)
    )
    names = ("served", "reference")  # one reference is enough to see what a retrain does to them
    return neighbours(
        before,
        dict(zip(names, others, strict=False)),
        split,
        recipe,
        seed=seed,
        confidence=thresholds.confidence,
    )


def coins(
    before: nn.Module,
    after: nn.Module,
    heard: Heard,
    canaries: Canaries,
    recipe: Recipe,
    *,
    seed: int,
    thresholds: Thresholds,
) -> CanaryReport:
    """What the coins say; a network that is not finite is not asked."""
    level = thresholds.rider_level
    if canaries.samples is None or not finite(heard.served):
        return CanaryReport(Outcome.UNTESTED, canaries.untested or NOT_FINITE, 0, 0, level)
    losses = [
        evaluate(network, canaries.samples, recipe.losses).double().numpy()
        for network in (before, after)
    ]
    if not np.isfinite(losses[1]).all():
        return CanaryReport(Outcome.UNTESTED, NOT_FINITE, 0, 0, level)
    was, now = (
        canary_scores(each, canaries, of["validation"])
        for each, of in zip(losses, (heard.parent, heard.served), strict=True)
    )
    return canary_report(
        was, now, canaries.sides, level=level, seed=seed, confidence=thresholds.confidence
    )


def gather(
    heard: Heard,
    split: Split,
    *,
    route: str,
    moved: float,
    confidence: float,
    unasked: str = "",
) -> Evidence:
    """What the verdict is reached by; no attack and no utility where a value is not finite."""
    sound = isfinite(moved) and finite(heard.served)
    kept = split.retain.strata.unique().numpy()
    return Evidence(
        route=route,
        finite=sound,
        movement=moved,
        forgotten=len(split.forget),
        matched_share=matched_share(split),
        leaks=leaks(heard, split, confidence=confidence) if sound else (),
        drops=drops(heard, kept, confidence=confidence) if sound else (),
        doubts=doubts(heard, split, confidence=confidence) if sound else Doubts(),
        kept_share=kept_share(split),
        unasked=unasked,
    )


def doubts(heard: Heard, split: Split, *, confidence: float) -> Doubts:
    """Whether what is called unseen was, and whether the network tells samples apart at all."""
    return Doubts(
        constant=constant(heard.served),
        copied=copied((split.forget, split.retain), split.validation),
        suspicion=suspicion(heard.parent, confidence=confidence),
    )


def report(
    heard: Heard,
    evidence: Evidence,
    thresholds: Thresholds,
    *,
    near: Neighbours | None,
    people: Sequence[str],
    samples: dict[str, int],
    seed: int,
    started: float,
) -> AuditReport:
    """The verdict and the tables; of a network that is not finite only the yardsticks are shown."""
    judged = judge(evidence, thresholds)
    confidence = thresholds.confidence
    shown = heard.others | ({"served": heard.served} if evidence.finite else {})
    return AuditReport(
        verdict=judged.verdict.value,
        sentences=list(judged.sentences),
        numbers=judged.numbers,
        thresholds=thresholds,
        route=evidence.route,
        seed=seed,
        movement=evidence.movement if isfinite(evidence.movement) else None,
        finite=evidence.finite,
        canaries=evidence.canaries,
        samples=samples,
        references=len(heard.yardsticks),
        attacks=[
            *attack_table(shown, confidence=confidence),
            *informing(heard, shown, seed=seed, confidence=confidence),
        ],
        records=records(heard) if evidence.finite else None,
        neighbours=near,
        rocs=rocs(shown, confidence=confidence),
        utility=utility_table(shown),
        changes=change_table(heard, confidence=confidence) if evidence.finite else [],
        distributions=distributions(shown),
        band=band(heard.yardsticks, people),
        seconds=perf_counter() - started,
    )
