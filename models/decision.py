"""Hardness and cost in, route and reasons out: pure, and free of torch.

The rules are those of `docs/methods.md`; the cost rule compares what unlearning is expected to
cost, a failed audit included, with a retrain that needs no excuse.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from models.decision_terms import Budgets, Costs, Policy, Route
from models.hardness.record import Hardness, TargetRule


@dataclass(frozen=True)
class Decision:
    """The route, why in plain sentences, and every number and threshold that was looked at.

    `sources`: of each number and threshold, where it comes from; whoever gathered them says so.
    """

    route: Route
    reasons: tuple[str, ...]
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def decide(
    hardness: Hardness,
    costs: Costs,
    budgets: Budgets,
    policy: Policy,
    *,
    time_left: float | None = None,
) -> Decision:
    """Choose the route; the same input always gives the same record.

    `time_left`: seconds until the earliest due date, below nought once it is past; None where
    nobody waits.

    A forced route comes first. Then what only a retrain can do, which outweighs a measured absence
    of deficit: a stratum that vanishes, a spent budget, memorized samples seen without references,
    samples that no audit can judge by. Then `none`, then harm that cannot be avoided, a due date
    that leaves no room for a failed audit and the cost rule, and only then a method.
    """
    route, reasons = choose(hardness, costs, budgets, policy, time_left=time_left)
    return Decision(
        route=route,
        reasons=tuple(reasons),
        numbers=numbers(hardness, costs, budgets, time_left),
        thresholds=thresholds(hardness, costs, budgets, policy),
    )


def choose(
    hardness: Hardness,
    costs: Costs,
    budgets: Budgets,
    policy: Policy,
    *,
    time_left: float | None = None,
) -> tuple[Route, list[str]]:
    """The route and the sentences that led to it."""
    if policy.route is not None:
        return policy.route, [f"The policy orders the route {policy.route}."]
    if must := [
        *vanishing(hardness, policy),
        *spent(hardness, budgets),
        *blind(hardness, policy),
        *beyond_audits(hardness, policy),
    ]:
        return Route.RETRAIN, must
    if (settled := nothing_owed(hardness, policy)) is not None:
        return Route.NONE, [settled]
    if should := [
        *unavoidable_harm(hardness, policy),
        *due_too_soon(time_left, at_once=costs.at_once, at_worst=costs.at_worst),
        *too_dear(costs),
    ]:
        return Route.RETRAIN, should
    return policy.method, [
        owed(hardness, policy),
        f"Unlearning is expected to take {costs.expected:.3g} s, a retrain {costs.retrain:.3g} s.",
    ]


def vanishing(hardness: Hardness, policy: Policy) -> Iterator[str]:
    """Strata that would vanish, or of which too little would be left to keep them as they were."""
    for stratum, share in hardness.shares.strata.items():
        if share > policy.stratum_share or hardness.shares.left[stratum] == 0:
            yield (
                f"Stratum {stratum} would lose {share:.0%} of its samples and keep"
                f" {hardness.shares.left[stratum]}; {policy.stratum_share:.0%} are allowed."
            )


def spent(hardness: Hardness, budgets: Budgets) -> Iterator[str]:
    """Drift budgets that this job would overdraw."""
    if budgets.rounds + 1 > budgets.max_rounds:
        yield (
            f"{budgets.rounds} approximate rounds lie since the last exact version,"
            f" {budgets.max_rounds} are allowed."
        )
    share = budgets.share + drift(hardness, budgets)
    if share > budgets.max_share:
        yield (
            f"{share:.2%} of the training set would be forgotten since the last exact version,"
            f" {budgets.max_share:.2%} are allowed."
        )


def drift(hardness: Hardness, budgets: Budgets) -> float:
    """What this job forgets, which is a share of what is left, as one of what `share` is of."""
    return hardness.shares.total * (1 - budgets.share)


def blind(hardness: Hardness, policy: Policy) -> Iterator[str]:
    """Without references a memorized sample's target is unknown, and far above its stratum's."""
    if hardness.deficit.rule is TargetRule.REFERENCE:
        return
    if hardness.memorization is None:
        yield "There are no reference targets, and memorization could not be estimated."
    elif hardness.memorization.share > policy.memorized_share:
        yield (
            f"There are no reference targets, and {hardness.memorization.share:.0%} of the samples"
            f" are memorized; {policy.memorized_share:.0%} are allowed."
        )


def beyond_audits(hardness: Hardness, policy: Policy) -> Iterator[str]:
    """Samples by which no audit could pass, whatever is done to the network but a retrain."""
    count, comparable = hardness.shares.count, hardness.shares.comparable
    if count < policy.fewest:
        yield (
            f"An audit judges by {policy.fewest} forgotten samples at least, and these are {count}:"
            " they would be retrained in the end."
        )
    if comparable < policy.comparable_share:
        yield (
            f"An audit compares samples with unseen and kept ones of their strata. It can do so for"
            f" {comparable:.0%} of these and needs {policy.comparable_share:.0%}: they would be"
            " retrained in the end."
        )


def nothing_owed(hardness: Hardness, policy: Policy) -> str | None:
    """Why nothing has to be done: mean and each sample are where retrained networks would be.

    Only references can show that; the mean held-out loss of a stratum hides memorized samples.
    """
    owed = hardness.deficit
    if owed.spread is None or owed.exposed is None:
        return None
    band = policy.sigmas * owed.spread
    if owed.mean > band or owed.exposed > policy.exposed_share:
        return None
    return (
        f"The mean deficit {owed.mean:.3g} is inside the retrain band {band:.3g}, and"
        f" {owed.exposed:.0%} of the samples are outside their own."
    )


def owed(hardness: Hardness, policy: Policy) -> str:
    """Why something has to be done."""
    deficit = hardness.deficit
    if deficit.spread is None or deficit.exposed is None:
        shown = (
            "Forgetting is still owed" if deficit.mean > 0 else "Only references could show none"
        )
        return f"{shown}: a mean deficit of {deficit.mean:.3g}."
    band = policy.sigmas * deficit.spread
    if deficit.mean > band:
        return (
            f"Forgetting is still owed: a mean deficit of {deficit.mean:.3g}, and {band:.3g} is"
            " where retrained networks may be."
        )
    return (
        f"Forgetting is still owed: {deficit.exposed:.0%} of the samples are outside their own"
        f" band, {policy.exposed_share:.0%} are allowed; the mean deficit is {deficit.mean:.3g}."
    )


def unavoidable_harm(hardness: Hardness, policy: Policy) -> Iterator[str]:
    """κ certainly above κ2 (HAMU, arXiv 2606.02119): every step that forgets also harms.

    A κ that is lost in noise is no reason: the method's own stop on harm then has to watch.
    """
    conflict = hardness.reconciliation
    if conflict.cosine is None:
        return
    if conflict.kappa - conflict.kappa2 > policy.sigmas * conflict.beyond_kappa2_error:
        yield (
            f"Harm to the retain set is unavoidable: κ {conflict.kappa:.3g} is above"
            f" κ2 {conflict.kappa2:.3g} by more than {policy.sigmas:.3g} standard errors."
        )


def due_too_soon(time_left: float | None, *, at_once: float, at_worst: float) -> Iterator[str]:
    """A retrain would be in time, but not one that comes after an audit which failed.

    Where not even a retrain is, unlearning is the sooner way, and its audit asks no less.
    """
    if time_left is not None and at_once <= time_left < at_worst:
        yield (
            f"The earliest request is due in {time_left:.3g} s. A retrain would be in time; should"
            f" an audit ask for one after unlearning, it would take {at_worst:.3g} s in all."
        )


def too_dear(costs: Costs) -> Iterator[str]:
    """c_unlearn + c_audit + p_escalate · c_retrain ≥ c_retrain."""
    if costs.expected >= costs.retrain:
        yield (
            f"Unlearning is expected to take {costs.expected:.3g} s, failed audits included;"
            f" a retrain takes {costs.retrain:.3g} s."
        )


def numbers(
    hardness: Hardness, costs: Costs, budgets: Budgets, time_left: float | None
) -> dict[str, float | None]:
    """Every number that a rule looks at, by its name in the record."""
    conflict, memorized = hardness.reconciliation, hardness.memorization
    return {
        "deficit_mean": hardness.deficit.mean,
        "deficit_spread": hardness.deficit.spread,
        "exposed_share": hardness.deficit.exposed,
        "memorized_share": None if memorized is None else memorized.share,
        "cosine": conflict.cosine,
        "kappa": conflict.kappa,
        "beyond_kappa2_error": conflict.beyond_kappa2_error,
        "largest_stratum_share": max(hardness.shares.strata.values(), default=None),
        "forget_share": hardness.shares.total,
        "forget_samples": hardness.shares.count,
        "comparable_share": hardness.shares.comparable,
        "least_left": min(hardness.shares.left.values(), default=None),
        "rounds": budgets.rounds,
        "share": budgets.share,
        "cost_retrain": costs.retrain,
        "cost_unlearn": costs.unlearn,
        "cost_audit": costs.audit,
        "cost_yardstick": costs.yardstick,
        "cost_assess": costs.assess,
        "p_escalate": costs.p_escalate,
        "cost_expected": costs.expected,
        "time_left": time_left,
    }


def thresholds(
    hardness: Hardness, costs: Costs, budgets: Budgets, policy: Policy
) -> dict[str, float]:
    """What the numbers were held against; the deficit's band only where it is known."""
    spread = hardness.deficit.spread
    return {
        **({} if spread is None else {"deficit_band": policy.sigmas * spread}),
        "kappa2": hardness.reconciliation.kappa2,
        "sigmas": policy.sigmas,
        "stratum_share": policy.stratum_share,
        "memorized_share": policy.memorized_share,
        "exposed_share": policy.exposed_share,
        "forget_samples": policy.fewest,
        "comparable_share": policy.comparable_share,
        "max_rounds": budgets.max_rounds,
        "max_share": budgets.max_share,
        "cost_expected": costs.retrain,
        "time_at_once": costs.at_once,
        "time_needed": costs.at_worst,
    }
