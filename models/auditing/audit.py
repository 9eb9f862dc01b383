"""Audit one job: attack the new network, measure what it is still good for, and judge.

Forward passes only, on the networks as served. Samples appear as counts and distributions.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from time import perf_counter

from torch import nn

from models.auditing.evidence import Evidence
from models.auditing.measuring import attack_table, changes, drops, leaks, matched_share
from models.auditing.report import AuditReport, distributions, utility_table
from models.auditing.signals import (
    Said,
    audited_sets,
    averaged,
    finite,
    listen,
    movement,
    refuse_broken,
)
from models.auditing.verdict import Thresholds, judge
from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe


def audit(
    before: nn.Module,
    after: nn.Module,
    split: Split,
    test: Samples,
    recipe: Recipe,
    *,
    route: str,
    references: Sequence[nn.Module] = (),
    seed: int,
    thresholds: Thresholds,
    progress: Progress,
) -> AuditReport:
    """Judge `after`, which the route made from `before` to forget `split.forget`.

    `references`: networks of the same recipe that never saw the forgotten samples, where there are
    any. What decides is measured against `split.validation`; `test` gives the utility, and a second
    AUC that is only reported, against samples that steered nothing.
    `ValueError` for sets that overlap or hold fewer than two samples, and for a parent or a
    reference that gives values that are not finite.
    """
    started = perf_counter()
    sets = audited_sets(split, test, seed=seed)
    networks = {"before": before, "after": after} | {
        f"reference {place}": network for place, network in enumerate(references, start=1)
    }
    heard = _listen_to_all(networks, sets, recipe, progress)
    served = heard.pop("after")
    refuse_broken(heard)
    others = [said for name, said in heard.items() if name != "before"]
    moved = movement(before, after)
    evidence = gather(
        heard["before"],
        served,
        others,
        split,
        route=route,
        moved=moved,
        confidence=thresholds.confidence,
    )
    judged = judge(evidence, thresholds)
    yardsticks = {"before": heard["before"]} | ({"reference": averaged(others)} if others else {})
    told = yardsticks | ({"after": served} if evidence.finite else {})
    return AuditReport(
        verdict=judged.verdict.value,
        sentences=list(judged.sentences),
        numbers=judged.numbers,
        thresholds=thresholds,
        route=route,
        seed=seed,
        movement=moved if isfinite(moved) else None,
        finite=evidence.finite,
        samples={name: len(samples) for name, samples in sets.items()},
        references=len(references),
        attacks=attack_table(told, confidence=thresholds.confidence),
        utility=utility_table(told),
        changes=changes(served, yardsticks, confidence=thresholds.confidence)
        if evidence.finite
        else [],
        distributions=distributions(told),
        sample_passes=2 * len(networks) * sum(map(len, sets.values())),
        seconds=perf_counter() - started,
    )


def gather(
    parent: Said,
    served: Said,
    references: Sequence[Said],
    split: Split,
    *,
    route: str,
    moved: float,
    confidence: float,
) -> Evidence:
    """What the verdict is reached by; no attack and no utility where a value is not finite."""
    sound = isfinite(moved) and finite(served)
    other, against = (averaged(references), "reference") if references else (parent, "parent")
    kept = split.retain.strata.unique().numpy()
    return Evidence(
        route=route,
        finite=sound,
        movement=moved,
        forgotten=len(split.forget),
        matched_share=matched_share(served),
        leaks=leaks(parent, served, references, confidence=confidence) if sound else (),
        drops=drops(served, other, against, kept, confidence=confidence) if sound else (),
    )


def _listen_to_all(
    networks: Mapping[str, nn.Module], sets: dict[str, Samples], recipe: Recipe, progress: Progress
) -> dict[str, Said]:
    heard: dict[str, Said] = {}
    for place, (name, network) in enumerate(networks.items()):
        progress(place / len(networks), f"scoring {name}")
        heard[name] = listen(network, sets, recipe)
    progress(1.0, "scored")
    return heard
