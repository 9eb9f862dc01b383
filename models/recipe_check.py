"""Tries whether a recipe keeps the promises that unlearning and its audit rest on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from models.recipe import Recipe
from models.recipe_data_check import DATA, DATA_ADVICE, read_by
from models.recipe_network_check import NETWORK, NETWORK_ADVICE, trial_of

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One promise of a recipe: whether it is kept, and if not, what was seen and the way out."""

    what: str
    ok: bool
    detail: str = ""
    advice: bool = False  # if so, a promise not kept is worth knowing but no reason to refuse


def check(recipe: Recipe, *, seed: int = 0) -> list[Finding]:
    """Every promise, tried on the CPU; costs three trainings on at most 200 samples of the pool.

    Ends early where the data cannot be read or no network be trained, since the rest needs them.
    """
    read, failure = outcome(lambda: read_by(recipe))
    findings = [Finding("the pool and the holdout can be read", read is not None, failure)]
    if read is None:
        return findings
    findings += tried(DATA, read) + tried(DATA_ADVICE, read, advice=True)
    if len(read.pool) == 0:
        return findings
    trial, failure = outcome(lambda: trial_of(recipe, read.pool, seed=seed))
    what = "a network with parameters to train can be built, and fitted to a few samples"
    findings.append(Finding(what, trial is not None, failure))
    if trial is None:
        return findings
    return findings + tried(NETWORK, trial) + tried(NETWORK_ADVICE, trial, advice=True)


def tried(
    promises: Mapping[str, Callable[[T], str]], evidence: T, *, advice: bool = False
) -> list[Finding]:
    """A finding for each promise, in their order."""
    findings = []
    for what, complaint_of in promises.items():
        complaint, failure = outcome(partial(complaint_of, evidence))
        detail = complaint or failure
        findings.append(Finding(what, ok=not detail, detail=detail, advice=advice))
    return findings


def outcome(attempt: Callable[[], T]) -> tuple[T | None, str]:
    """What the attempt gives, or None and the error: a stranger's recipe may raise anything."""
    try:
        return attempt(), ""
    except Exception as error:
        return None, f"it raised {type(error).__name__}: {error}"
