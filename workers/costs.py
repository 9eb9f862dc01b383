"""What a retrain, an unlearning and an audit will take, predicted from what was measured before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, mean
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
from models.decision_terms import Budgets, Costs, Route, expected_escalation, likeness
from models.decision_terms import Policy as Choices
from models.hardness.record import TargetRule

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
    """What this model's own jobs cost; before the first of them what its calibration did.

    `rule`: how the job is aimed. Jobs that were aimed otherwise say nothing of what its run will
    take, nor of its audit's word; those on larger or smaller sets say less than those of its size.
    """
    retrain = float(assessed["retrain_seconds"])
    size = assessed["hardness"]["shares"]["total"]
    runs = [
        run | {"likeness": likeness(job.hardness["shares"]["total"], size)}
        for job in past
        if job.hardness and job.hardness["deficit"]["rule"] == rule
        for run in runs_of(job)
        if run["route"] == method
    ]
    share, share_from = unlearn_share(runs, known, method)
    audit, audit_from = audit_seconds(past, assessed)
    p_escalate, p_from = escalation(runs, known)
    return Priced(
        Costs(
            retrain=retrain,
            unlearn=retrain * share,
            audit=audit,
            assess=float(assessed["hardness"]["seconds"]),
            p_escalate=p_escalate,
        ),
        {"cost_unlearn": share_from, "cost_audit": audit_from, "p_escalate": p_from},
    )


def unlearn_share(
    runs: Sequence[dict[str, Any]], known: Calibration | None, method: Route
) -> tuple[float, str]:
    """Of a retrain's time, and who says so."""
    if timed := [run for run in runs if "seconds" in run]:
        shares = [run["seconds"] / run["retrain_seconds"] for run in timed]
        return fmean(shares, [run["likeness"] for run in timed]), Source.JOBS
    if known is not None and known.unlearn_share is not None:
        return known.unlearn_share, Source.CALIBRATION
    share = calibrations.SHARE_OF_RUM if method is Route.RUM else UNMEASURED_SHARE
    return share, Source.DEFAULT


def audit_seconds(past: Sequence[Job], assessed: dict[str, Any]) -> tuple[float, str]:
    """What audits took, else what forward passes on this parent foretell."""
    audits = [float(job.audit["seconds"]) for job in past if job.audit]
    return (mean(audits), Source.JOBS) if audits else (assessed["audit_seconds"], Source.MEASURED)


def escalation(runs: Sequence[dict[str, Any]], known: Calibration | None) -> tuple[float, str]:
    """How likely an audit sends the next job back; trials count as much as jobs of its size."""
    trials, escalated = (0, 0) if known is None else (known.trials, known.escalated)
    chance = expected_escalation(
        escalated + sum(run["likeness"] for run in runs if run["escalated"]),
        trials + sum(run["likeness"] for run in runs),
    )
    if not trials:
        return chance, Source.JOBS if runs else Source.DEFAULT
    return chance, Source.BOTH if runs else Source.CALIBRATION


def runs_of(job: Job) -> list[dict[str, Any]]:
    """A job's runs: the one that was published, and those that an audit sent back before it.

    The route `none` runs nothing. One that diverged or refused left no time, and counts as sent
    back.
    """
    if job.run is None or job.decision is None:
        return []
    published = {key: value for key, value in job.run.items() if key != "earlier"}
    earlier = [{**run, "escalated": True} for run in job.run.get("earlier", [])]
    overruled = job.decision.get("escalated_from")
    if overruled not in (None, Route.NONE, *(run["route"] for run in earlier)):
        earlier.append({"route": overruled, "escalated": True})
    return [*earlier, {**published, "escalated": False}]


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
