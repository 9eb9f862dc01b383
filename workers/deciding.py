"""Gathers what a decision rests on: what was measured, what is known, what the policy says."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.ledger import calibrations, jobs, references, versions
from app.ledger.policy import Policy
from app.ledger.tables import Job
from models.auditing.verdict import Thresholds
from models.calibration import Calibration
from models.decision import Decision, decide, due_too_soon
from models.decision_terms import Route
from models.hardness.record import Hardness, TargetRule
from models.table_advice import table_advice
from workers import costs, known_scores
from workers.costs import Source

FROM_LEDGER = ("rounds", "share", "time_left")
OF_POLICY = ("max_rounds", "max_share", "forget_samples", "comparable_share")
DERIVED = ("cost_expected", "cost_yardstick", "deficit_band", "time_at_once", "time_needed")
CALIBRATED = ("stratum_share", "memorized_share", "exposed_share")


def decided(
    session: Session, job: Job, assessed: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """The record of a decision, from what was measured now, in trials and in earlier jobs.

    Beside the decision itself: the policy it was made by, how long a retrain will take, whether
    references would pay, and the thresholds by which the audit will judge.
    """
    assert job.parent_version_id is not None
    policy, hardness = Policy.of(job.model.policy), Hardness.of(assessed["hardness"])
    plain = costs.choices(policy)
    method, past = plain.route or plain.method, costs.past_jobs(session, job)
    known = calibration_for(session, job, method, hardness.deficit.rule)
    with_table = calibration_for(session, job, method, TargetRule.REFERENCE)
    choices = costs.choices(policy, known)
    priced = costs.priced(past, assessed, method, known, rule=hardness.deficit.rule)
    parent = versions.by_id(session, job.parent_version_id)
    budgets = costs.budgets(session, parent, policy)
    affordable = priced.costs.retrain <= policy.reference_seconds
    generation = known_scores.generation_of(session, job)
    judges = known_scores.asked(session, generation, job.forget_set, judging=True)
    decision = decide(
        hardness,
        replace(priced.costs, yardstick=priced.costs.retrain if affordable and not judges else 0.0),
        budgets,
        choices,
        time_left=time_left(session, job, now=now),
    )
    advised = None
    if references.next_number(session, generation.id) is not None:
        advised = table_advice(
            hardness,
            priced.costs,
            budgets,
            choices,
            aimed_costs=costs.priced(
                past, assessed, method, with_table, rule=TargetRule.REFERENCE
            ).costs,
            table_cost=references.DESIGN.cost,
            trains_reference=affordable,
        )
    told = asdict(replace(decision, sources=sources(decision, priced.sources, known)))
    return told | {
        "route": decision.route.value,
        "reasons": list(decision.reasons),
        "retrain_seconds": priced.costs.retrain,
        "advice": None if advised is None else advised.sentence,
        "policy": policy.stored(),
        "audit_thresholds": asdict(Thresholds()),
    }


def time_left(session: Session, job: Job, *, now: datetime) -> float | None:
    """Seconds until the first of its erasures is due; None where nobody waits."""
    due = jobs.due_date(session, job)
    return None if due is None else (due - now).total_seconds()


def due_too_soon_by_now(session: Session, job: Job, *, clock: Callable[[], datetime]) -> str | None:
    """Why what was decided earlier can wait no longer for an audit that may fail, if it cannot.

    A job may have waited for a person, or for a worker, since its route was chosen; the record of
    an older release has no time that is needed.
    """
    assert job.decision is not None
    needed = job.decision.get("thresholds", {}).get("time_needed")
    if needed is None or job.decision["policy"]["route"] != "auto":
        return None
    if job.decision["route"] in (Route.NONE, Route.RETRAIN):
        return None
    numbers = job.decision["numbers"]
    at_once = numbers["cost_retrain"] + numbers["cost_audit"]
    left = time_left(session, job, now=clock())
    return next(due_too_soon(left, at_once=at_once, at_worst=needed), None)


def calibration_for(
    session: Session, job: Job, method: Route, rule: TargetRule
) -> Calibration | None:
    """The model's calibration, if its trials were aimed as this job is, and by the same method."""
    row = calibrations.known(session, job.model_id)
    if row is None or row.method != method:
        return None
    known = Calibration.of(row.taught)
    return known if known.rule is rule else None


def sources(
    decision: Decision, of_costs: Mapping[str, str], known: Calibration | None
) -> dict[str, dict[str, str]]:
    """Where every number and every threshold of the record comes from."""
    calibrated = {} if known is None else known.thresholds
    limits = dict.fromkeys(("sigmas", *CALIBRATED), Source.DEFAULT)
    limits |= dict.fromkeys(calibrated, Source.CALIBRATION)
    limits |= dict.fromkeys(OF_POLICY, Source.POLICY)
    found = dict(of_costs) | dict.fromkeys(FROM_LEDGER, Source.LEDGER)
    return {
        kind: {
            name: str(Source.DERIVED if name in DERIVED else told.get(name, Source.MEASURED))
            for name in names
        }
        for kind, names, told in (
            ("numbers", decision.numbers, found),
            ("thresholds", decision.thresholds, limits),
        )
    }
