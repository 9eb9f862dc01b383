"""What trials on synthetic forget sets teach the decision: pure, and free of torch.

One rule for the shares that may be unlearned. A threshold moves from its default only on evidence:
one failed trial that was drawn for it, at or below the default, is enough to lower it: to half of
what failed, or to the largest share below that passed. It takes two passed trials that were drawn
for it, beyond the default, to raise it, to the smaller of the two largest, and no failure of any
trial up to there. No trial takes more than half of a class, so that `stratum_share` never rises: a
rare class in a random set is no evidence. A trial that was drawn for something else as well,
memorized and skewed at once, or for nothing, at random, lowers no threshold when it fails, for
nobody knows of what; it keeps them from rising. An audit that could not tell is evidence for
nothing but its own likelihood.

So a pass more never lowers a threshold, a failure more never raises one, and with few trials the
defaults stand. `sigmas` is not calibrated: a wider band would be bold where it calls a forget set
forgotten and where it bears harm, and trials count as certain only what was seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from statistics import median
from typing import Any, Self

from models.decision_terms import Policy
from models.hardness.record import TargetRule
from models.precedents import Precedent

ENOUGH = 2  # passes that raise a threshold
UNFINISHED = ("diverged", "impossible")  # verdicts on what came to no network
FAILED = ("escalate", *UNFINISHED)  # verdicts that say so for certain
FEWEST = 4  # trials whose retrains say how exposed a network is that never saw a sample


@dataclass(frozen=True)
class Trial:
    """One synthetic forget set, unlearned and retrained.

    `high`, `skewed`: whether it was drawn among memorized samples, from one stratum. `memorized`:
    share of memorized samples; `stratum`: the largest share of a stratum that it takes. `verdict`:
    the audit's, or `diverged` or `impossible`. `samples`: how many were forgotten; `share`: of the
    training set; `comparable`: of them, what an audit can compare. `unlearn`: seconds, as a share
    of the retrain's. `exposed`: share of samples outside their own band before, and of the
    `retrained` network; None without references.
    """

    high: bool
    skewed: bool
    rule: TargetRule
    memorized: float | None
    stratum: float
    verdict: str
    samples: int
    share: float
    unlearn: float
    exposed: float | None = None
    retrained: float | None = None
    comparable: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """What the decision takes from trials; None where its default stands.

    `rule`: how the trials were aimed; they say nothing of jobs that are aimed otherwise.
    `precedents`: the trials that the decision would unlearn.
    """

    rule: TargetRule
    stratum_share: float | None
    memorized_share: float | None
    exposed_share: float | None
    precedents: tuple[Precedent, ...]

    @property
    def thresholds(self) -> dict[str, float]:
        """Those of a decision's that are not left at their default."""
        named = {
            "stratum_share": self.stratum_share,
            "memorized_share": self.memorized_share,
            "exposed_share": self.exposed_share,
        }
        return {name: value for name, value in named.items() if value is not None}

    def applied_to(self, policy: Policy) -> Policy:
        """The policy with these thresholds in the place of its own."""
        return replace(
            policy,
            stratum_share=or_default(self.stratum_share, policy.stratum_share),
            memorized_share=or_default(self.memorized_share, policy.memorized_share),
            exposed_share=or_default(self.exposed_share, policy.exposed_share),
        )

    def record(self) -> dict[str, Any]:
        """Plain values, which `Calibration.of` reads back."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        precedents = tuple(Precedent(**one) for one in record["precedents"])
        return cls(**{**record, "rule": TargetRule(record["rule"]), "precedents": precedents})


def calibrate(
    every: Sequence[Trial], defaults: Policy | None = None, *, asks_a_person: bool = False
) -> Calibration:
    """The calibration from these trials, at least one; from those aimed as most of them were.

    References that are finished in the middle of a calibration aim the rest of it. `asks_a_person`:
    whether an audit that could not tell is followed by no retrain, but waits for somebody's word.
    """
    usual = defaults or Policy()
    rule = max(TargetRule, key=lambda rule: sum(one.rule is rule for one in every))
    trials = [one for one in every if one.rule is rule]
    stratum = threshold(
        [
            Point(one.stratum, one.verdict, drawn_for=one.skewed, alone=not one.high)
            for one in trials
        ],
        usual.stratum_share,
    )
    blind = rule is TargetRule.MATCHED  # with references nobody asks what was memorized
    memorized = threshold(
        [
            Point(one.memorized, one.verdict, drawn_for=one.high, alone=not one.skewed)
            for one in trials
            if one.memorized is not None
        ],
        usual.memorized_share,
    )
    allowed = [
        one
        for one in trials
        if one.samples >= usual.fewest
        and one.comparable >= usual.comparable_share
        and one.stratum <= or_default(stratum, usual.stratum_share)
        and not (blind and beyond(one.memorized, or_default(memorized, usual.memorized_share)))
    ]
    accepted = ("pass", "inconclusive") if asks_a_person else ("pass",)
    return Calibration(
        rule=rule,
        stratum_share=stratum,
        memorized_share=memorized if blind else None,
        exposed_share=None if blind else exposed_share(trials),
        precedents=tuple(precedent(one, accepted) for one in allowed),
    )


def beyond(memorized: float | None, limit: float) -> bool:
    """Whether a job without references is retrained for it; so is one of which nobody knows."""
    return memorized is None or memorized > limit


def precedent(trial: Trial, accepted: tuple[str, ...]) -> Precedent:
    """What a trial tells of jobs; without a network it does not say what unlearning takes."""
    return Precedent(
        share=trial.share,
        escalated=trial.verdict not in accepted,
        unlearn=None if trial.verdict in UNFINISHED else trial.unlearn,
    )


@dataclass(frozen=True)
class Point:
    """A trial as one threshold sees it.

    `drawn_for`: whether it was drawn to have a large share; `alone`: and for nothing else.
    """

    share: float
    verdict: str
    drawn_for: bool
    alone: bool

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"

    @property
    def failed(self) -> bool:
        return self.verdict in FAILED


def threshold(points: Iterable[Point], default: float) -> float | None:
    """The largest share that may be unlearned, by the rule above; None: the default stands."""
    points = list(points)
    passed = sorted(point.share for point in points if point.passed and point.alone)
    failed = [point for point in points if point.failed]
    blamed = min((one.share for one in failed if one.drawn_for and one.alone), default=inf)
    if blamed <= default:
        return max(blamed / 2, *(share for share in passed if share < blamed), 0.0)
    ceiling = min((one.share for one in failed), default=inf)
    evidence = sorted(
        point.share
        for point in points
        if point.passed and point.alone and point.drawn_for and default < point.share < ceiling
    )
    return evidence[-ENOUGH] if len(evidence) >= ENOUGH else None


def exposed_share(trials: Sequence[Trial]) -> float | None:
    """How many samples may lie outside their band for nothing to be owed.

    As many as in the median retrained network, which owes nothing, but no more than half of what
    the least exposed forget set showed before anything was done about it. None with few retrains.
    """
    after = [trial.retrained for trial in trials if trial.retrained is not None]
    before = [trial.exposed for trial in trials if trial.exposed is not None]
    if len(after) < FEWEST or not before:
        return None
    return min(median(after), min(before) / 2)


def or_default(value: float | None, default: float) -> float:
    return default if value is None else value
