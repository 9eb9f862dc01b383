"""From the numbers of an audit to one of three words, by thresholds declared beforehand.

Pure, and torch-free. The leak test is one of equivalence, two-sided: a network passes only when the
whole interval of its leak lies within ±margin, so a small sample is never taken for a clean one.

The yardstick decides what a leak is. Where reference networks exist (same recipe, never saw the
forgotten samples) it is the AUC that the same attack has on them. Where none exist it is 0.5, right
only if the forgotten samples are like held-out ones of their strata; a person whose samples are
easier or odder than others' is then told apart though nothing is remembered. Besides:

- For the route `retrain` attacks inform but do not decide: such a network is exact by how it was
  made, and what an attack finds is how these samples differ, or how two trainings do. It is held
  back for a person to look at only if it stands out no less than its parent did, which is what a
  retrain that had seen the samples after all would look like.
- A recipe that memorises little leaves an untouched network that no attack tells from a retrain.
  It passes, truly, and `none` was then the right decision; but the audit shows nothing about
  what the run did, and its sentences say so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from models.auditing import canary_finding, doubts
from models.auditing.canary_report import CanaryReport
from models.auditing.evidence import Attack, Drop, Evidence, Leak, Yardstick
from models.auditing.finding import Finding, Verdict
from models.auditing.intervals import CERTAIN, CONFIDENCE, Interval, z_of
from models.auditing.power import chance_margin, detectable, fitting_margin, forgotten_needed

# What forgotten samples look like where an attack's AUC is above the yardstick, and below it.
LOOKS = {
    Attack.LOSS: ("remembered", "pushed further than forgotten"),
    Attack.SPREAD: ("more alike than unseen ones", "split into extremes"),
    Attack.CALIBRATED: ("remembered", "pushed further than forgotten"),
}
REMEMBERED = (Attack.LOSS, Attack.CALIBRATED)  # what finds a training that saw the samples


@dataclass(frozen=True)
class Thresholds:
    """Declared before the run. How they were chosen: benchmarks/verdict_conformance.py.

    `widest_margin`, `narrowest_margin`: bounds of how far an AUC may lie from its yardstick;
    between them it is as tight as the samples and their people allow, see `power.fitting_margin`.
    `paired_share`: how much of that is left where the yardstick is a reference network on the same
    samples, which takes out how hard they are.
    `min_forgotten`: an interval from fewer samples is not trusted.
    `min_matched_share`: of the forgotten samples, how many need unseen ones of their stratum, and
    that it keeps as many as it loses.
    `max_drop`, `max_stratum_drop`: of the mean score, on a set and on one stratum of it.
    `min_movement`: of the parameters, as a share of their length.
    `rider_level`: a p-value of the canaries' coins up to which they count as told apart.
    `confidence`: of every interval; `certain`: that a leak is none, before it is called one.
    """

    widest_margin: float = 0.17
    narrowest_margin: float = 0.05
    paired_share: float = 5 / 6
    min_forgotten: int = 20
    min_matched_share: float = 0.8
    max_drop: float = 0.06
    max_stratum_drop: float = 0.20
    min_movement: float = 1e-6
    rider_level: float = 0.01
    confidence: float = CONFIDENCE
    certain: float = CERTAIN

    def margin(self, leak: Leak) -> float:
        """How far from the yardstick this attack's AUC may lie."""
        share = self.paired_share if leak.paired else 1.0
        counts = chance_margin(leak.after.forgotten, leak.after.unseen, confidence=self.confidence)
        people = fitting_margin(leak.noise, confidence=self.confidence) / share
        fitting = max(counts, people, self.narrowest_margin)
        return share * min(fitting, self.widest_margin)


@dataclass(frozen=True)
class Judgement:
    """The verdict, what may be said, and the numbers that it rests on."""

    verdict: Verdict
    sentences: tuple[str, ...]
    numbers: dict[str, float]


def judge(evidence: Evidence, thresholds: Thresholds) -> Judgement:
    """Escalate if any finding says so, else inconclusive if any does, else pass."""
    findings = list(_findings(evidence, thresholds))
    found = {finding.verdict for finding in findings}
    verdict = next(
        (word for word in (Verdict.ESCALATE, Verdict.INCONCLUSIVE) if word in found), Verdict.PASS
    )
    return Judgement(
        verdict, tuple(finding.sentence for finding in findings), _numbers(evidence, thresholds)
    )


def _findings(evidence: Evidence, thresholds: Thresholds) -> Iterator[Finding]:
    if not (evidence.finite and isfinite(evidence.movement)):
        yield Finding(
            Verdict.ESCALATE, "The new network holds or gives values that are not finite."
        )
        return
    yield _movement(evidence, thresholds)
    yield from _gaps(evidence, thresholds)
    for leak in evidence.leaks:
        yield _leak(leak, evidence.route, thresholds)
    yield from _blindness(evidence, thresholds)
    yield from doubts.held_out(evidence)
    yield from doubts.findings(evidence.doubts, evidence.route)
    if evidence.canaries is not None:
        yield canary_finding.finding(evidence.canaries, evidence.route)
    for drop in evidence.drops:
        yield from _drop(drop, thresholds, partly=evidence.kept_share < 1)


def _movement(evidence: Evidence, thresholds: Thresholds) -> Finding:
    moved = f"{evidence.movement:.2g} of their length"
    if evidence.route == "none":
        if evidence.movement > 0:
            return Finding(
                Verdict.ESCALATE, f"The decision was `none`, yet the weights moved by {moved}."
            )
        return Finding(Verdict.PASS, "The weights were left as they were, as decided.")
    if evidence.movement < thresholds.min_movement:
        return Finding(
            Verdict.ESCALATE,
            f"The weights did not move ({moved}), though the route was `{evidence.route}`.",
        )
    return Finding(Verdict.PASS, f"The weights moved by {moved}.")


def _gaps(evidence: Evidence, thresholds: Thresholds) -> Iterator[Finding]:
    """What could not be measured, or not by enough samples: no pass without an attack."""
    # The attacks on a retrain inform and do not decide.
    missing = Verdict.PASS if evidence.route == "retrain" else Verdict.INCONCLUSIVE
    if not evidence.leaks:
        yield Finding(missing, "No attack could be run.")
    if evidence.forgotten < thresholds.min_forgotten:
        yield Finding(
            missing,
            f"{evidence.forgotten} forgotten samples are too few for an attack to judge by: "
            f"{thresholds.min_forgotten} at least are needed.",
        )
    if evidence.matched_share < thresholds.min_matched_share:
        yield Finding(
            missing,
            f"Only {evidence.matched_share:.0%} of the forgotten samples have unseen samples of "
            "their stratum to be compared with.",
        )
    if evidence.kept_share < thresholds.min_matched_share:
        yield Finding(
            missing,
            f"{1 - evidence.kept_share:.0%} of the forgotten samples are of strata that lose more "
            "than they keep: what a network makes of a whole stratum is nothing that attacks see, "
            "for they compare samples within one.",
        )
    if not evidence.drops:
        yield Finding(Verdict.INCONCLUSIVE, "What the network is still good for is not known.")


def _leak(leak: Leak, route: str, thresholds: Thresholds) -> Finding:
    margin = thresholds.margin(leak)
    verdict = _equivalence(leak, leak.after.interval, thresholds)
    if route == "retrain":
        return _exact(leak, verdict, margin, thresholds)
    told = _measured(leak, thresholds)
    if verdict is Verdict.PASS:
        seen = detectable(leak.after, confidence=thresholds.confidence)
        return Finding(
            verdict,
            f"{told}, inside ±{margin:.2f}. A leak of {seen:.2f} would have been seen with 80 % "
            "power.",
        )
    if verdict is Verdict.ESCALATE:
        above, below = LOOKS[leak.attack]
        look = above if leak.after.interval.estimate > 0 else below
        return Finding(verdict, f"{told}, outside ±{margin:.2f}: they look {look}.")
    return Finding(verdict, f"{told}, not wholly inside ±{margin:.2f}. {_needed(leak, thresholds)}")


def _exact(leak: Leak, verdict: Verdict, margin: float, thresholds: Thresholds) -> Finding:
    """The route was an exact retrain: only one that remembers as its parent did is held back."""
    told = f"{_measured(leak, thresholds)}; the network was trained without them"
    after, before = leak.after.interval, leak.before.interval
    if verdict is Verdict.PASS:
        return Finding(verdict, f"{told}.")
    stands_out = leak.attack in REMEMBERED and after.estimate > margin
    if stands_out and after.high > before.estimate:
        return Finding(
            Verdict.INCONCLUSIVE,
            f"{told}, but they stand out no less than before ({before.estimate:+z.2f}). Either "
            "they are easier than what they are compared with, or the training saw them.",
        )
    differ = (
        "two trainings differ on them"
        if leak.yardstick is Yardstick.REFERENCE
        else "they differ from held-out samples"
    )
    return Finding(Verdict.PASS, f"{told}, so this measures how {differ}.")


def _blindness(evidence: Evidence, thresholds: Thresholds) -> Iterator[Finding]:
    """Where the parent would have passed as well, a pass says nothing about the run."""
    passed = [
        _equivalence(leak, leak.before.interval, thresholds) is Verdict.PASS
        for leak in evidence.leaks
    ]
    if evidence.route != "none" and passed and all(passed):
        yield Finding(
            Verdict.PASS,
            "No attack told them apart on the parent network either, "
            "so this audit cannot show that anything was forgotten.",
        )


def _drop(drop: Drop, thresholds: Thresholds, *, partly: bool) -> Iterator[Finding]:
    """A whole set is judged by its estimate, a stratum only where its interval leaves no doubt.

    `partly`: whether strata were forgotten as a whole, which no network can be asked to serve.
    """
    limit = thresholds.max_drop if drop.whole else thresholds.max_stratum_drop
    lost, low, high = drop.drop.estimate, drop.drop.low, drop.drop.high
    way = "below"
    if round(lost, 3) < 0:
        way, lost, low, high = "above", -lost, -high, -low
    of_kept = ", of the strata that are kept," if partly and drop.whole else ""
    told = (
        f"The mean score on {drop.samples}{of_kept} is {lost:z.3f} {way} the {drop.against}'s "
        f"[{low:z.3f}, {high:z.3f}]"
    )
    if not drop.whole:
        if drop.drop.low > limit:
            yield Finding(Verdict.ESCALATE, f"{told}, more than the {limit:.2f} allowed.")
    elif drop.drop.estimate <= limit:
        yield Finding(Verdict.PASS, f"{told}, within the {limit:.2f} allowed.")
    elif drop.drop.low > 0:
        yield Finding(Verdict.ESCALATE, f"{told}, more than the {limit:.2f} allowed.")
    else:
        yield Finding(
            Verdict.INCONCLUSIVE,
            f"{told}: too few samples to tell it from the {limit:.2f} allowed.",
        )


def _equivalence(leak: Leak, interval: Interval, thresholds: Thresholds) -> Verdict:
    """Inside ±margin; or beyond it by the estimate, and surely not by chance; or neither."""
    margin = thresholds.margin(leak)
    if -margin < interval.low and interval.high < margin:
        return Verdict.PASS
    stretched = z_of(thresholds.certain) / z_of(thresholds.confidence)
    reach = stretched * (interval.high - interval.low) / 2
    if abs(interval.estimate) > max(margin, reach, leak.bound):
        return Verdict.ESCALATE
    return Verdict.INCONCLUSIVE


def _measured(leak: Leak, thresholds: Thresholds) -> str:
    after = leak.after
    level = "that on the reference" if leak.paired else "chance"
    return (
        f"The {leak.attack} attack's AUC on {after.forgotten} forgotten and {after.unseen} "
        f"never-seen samples lies {after.interval.estimate:+z.2f} from {level}, "
        f"{thresholds.confidence:.0%} interval "
        f"[{after.interval.low:+z.2f}, {after.interval.high:+z.2f}]"
    )


def _needed(leak: Leak, thresholds: Thresholds) -> str:
    needed = forgotten_needed(leak.after, thresholds.margin(leak), confidence=thresholds.confidence)
    if needed is None:
        return "However many are forgotten, there are too few unseen samples to settle it."
    if needed > leak.after.forgotten:
        return f"To settle it would take about {needed} forgotten samples."
    return "With as many samples, 19 in 20 networks without a leak would have passed."


def _numbers(evidence: Evidence, thresholds: Thresholds) -> dict[str, float]:
    numbers = {"matched_share": evidence.matched_share} | _coins(evidence.canaries)
    for leak in evidence.leaks:
        interval = leak.after.interval
        numbers |= {
            f"{leak.attack}.leak": interval.estimate,
            f"{leak.attack}.low": interval.low,
            f"{leak.attack}.high": interval.high,
            f"{leak.attack}.before": leak.before.interval.estimate,
            f"{leak.attack}.margin": thresholds.margin(leak),
            f"{leak.attack}.detectable": detectable(leak.after, confidence=thresholds.confidence),
        }
    return numbers


def _coins(told: CanaryReport | None) -> dict[str, float]:
    names = ("p_value", "e_value", "detectable_auc", "detectable_share")
    found = {name: getattr(told, name, None) for name in names}
    return {f"canaries.{name}": value for name, value in found.items() if value is not None}
