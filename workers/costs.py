"""What a retrain, an unlearning and an audit will take, predicted from what was measured before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import calibrations, versions
from app.ledger.policy import Policy
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from models.auditing.verdict import Thresholds
from models.calibration import Calibration
from models.decision_terms import Budgets, Costs, Route
from models.decision_terms import Policy as Choices
from models.hardness.record import TargetRule
from models.precedents import Precedent, expected_escalation, timed, unlearn_share

# Before any job of a model has been measured: the typical share of a retrain's cost that unlearning
# is to take. The benchmark has 0.04 (careers) to 0.25 (Omniglot) on sets of up to 5 %; the model's
# own jobs correct it.
UNMEASURED_SHARE = 0.1
LOOK_BACK = 20  # jobs that predictions rest on


class Source(StrEnum):
    """Where a number or threshold of a decision comes from."""

    DEFAULT = "default"
    POLICY = "policy"
    CALIBRATION = "calibration"
    JOBS = "earlier jobs"
    BOTH = "calibration and earlier jobs"
    MEASURED = "measured"
    LEDGER = "ledger"
    DERIVED = "derived"


def past_jobs(session: Session, job: Job) -> Sequence[Job]:
    """The model's unlearning jobs that came to a version, newest first."""
    return session.scalars(
        select(Job)
        .where(
            Job.model_id == job.model_id,
            Job.kind == JobKind.UNLEARN,
            Job.state == JobState.SUCCEEDED,
        )
        .order_by(Job.finished_at.desc())
        .limit(LOOK_BACK)
    ).all()


@dataclass(frozen=True)
class Priced:
    """The decision's costs, and where each number comes from that was not measured just now."""

    costs: Costs
    sources: Mapping[str, str]


def priced(
    past: Sequence[Job],
    assessed: dict[str, Any],
    method: Route,
    known: Calibration | None,
    *,
    rule: TargetRule,
) -> Priced:
    """What this model's own jobs cost, and the trials of its calibration.

    `rule`: how the job is aimed. Jobs that were aimed otherwise say nothing of what its run will
    take, nor of its audit's word; those on larger or smaller sets say less than those of its size.
    """
    retrain = float(assessed["retrain_seconds"])
    size = assessed["hardness"]["shares"]["total"]
    runs = [run for job in past for run in runs_of(job, method, rule)]
    trials = () if known is None else known.precedents
    precedents = [*runs, *trials]
    audit, audit_from = audit_seconds(past, assessed)
    return Priced(
        Costs(
            retrain=retrain,
            unlearn=retrain * expected_share(precedents, size, method),
            audit=audit,
            assess=float(assessed["hardness"]["seconds"]),
            p_escalate=expected_escalation(precedents, size),
        ),
        {
            "cost_unlearn": source(timed(runs), timed(trials)),
            "cost_audit": audit_from,
            "p_escalate": source(runs, trials),
        },
    )


def source(runs: Sequence[object], trials: Sequence[object]) -> str:
    """Who spoke: the model's jobs, its calibration's trials, both, or nobody yet."""
    if runs and trials:
        return Source.BOTH
    return Source.JOBS if runs else Source.CALIBRATION if trials else Source.DEFAULT


def expected_share(precedents: Sequence[Precedent], size: float, method: Route) -> float:
    """Of a retrain's time, for forgetting a set of this size; what is typical until it is known."""
    typical = calibrations.SHARE_OF_RUM if method is Route.RUM else UNMEASURED_SHARE
    known = unlearn_share(precedents, size)
    return typical if known is None else known


def audit_seconds(past: Sequence[Job], assessed: dict[str, Any]) -> tuple[float, str]:
    """What audits took, else what forward passes on this parent foretell."""
    audits = [float(job.audit["seconds"]) for job in past if job.audit]
    return (mean(audits), Source.JOBS) if audits else (assessed["audit_seconds"], Source.MEASURED)


def runs_of(job: Job, method: Route, rule: TargetRule) -> list[Precedent]:
    """A job's runs so made and aimed: the one that was published, and those that were sent back.

    The route `none` runs nothing, nor does one that was given up untried for want of time. One that
    diverged or refused left no time, and counts as sent back.
    """
    if job.run is None or job.decision is None or job.hardness is None:
        return []
    if job.hardness["deficit"]["rule"] != rule:
        return []
    earlier = job.run.get("earlier", [])
    runs = [(run, True) for run in earlier] + [(job.run, False)]
    overruled = job.decision.get("escalated_from") if job.decision.get("tried", True) else None
    if overruled not in (None, Route.NONE, *(run["route"] for run in earlier)):
        runs.append(({"route": overruled}, True))
    share = job.hardness["shares"]["total"]
    return [
        Precedent(
            share=share,
            escalated=escalated,
            unlearn=run["seconds"] / run["retrain_seconds"] if "seconds" in run else None,
        )
        for run, escalated in runs
        if run["route"] == method
    ]


def budgets(session: Session, parent: ModelVersion, policy: Policy) -> Budgets:
    """How far the parent has drifted from its last exact version."""
    exact, rounds = versions.last_exact(session, parent)
    gone = exact.training_set - parent.training_set
    return Budgets(
        rounds=rounds,
        share=share(gone, exact.training_set),
        max_rounds=policy.max_rounds,
        max_share=policy.max_forgotten_share,
    )


def share(part: Bitmap, whole: Bitmap) -> float:
    return len(part) / len(whole)


def choices(policy: Policy, known: Calibration | None = None) -> Choices:
    """The operator's policy as the decision knows it, with the thresholds that were calibrated."""
    audits = Thresholds()
    retrains = policy.on_inconclusive == "retrain"
    chosen = Choices(
        route=None if policy.route == "auto" else Route(policy.route),
        fewest=audits.min_forgotten if retrains else 0,
        comparable_share=audits.min_matched_share if retrains else 0.0,
    )
    return chosen if known is None else known.applied_to(chosen)
