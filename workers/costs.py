"""What a retrain, an unlearning and an audit will take, predicted from what was measured before."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import versions
from app.ledger.policy import Policy
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from models.decision import Budgets, Costs, Route, expected_escalation
from models.decision import Policy as Choices

# Before any job of a model has been measured: the typical share of a retrain's cost that unlearning
# is to take (design.md, section 11). The benchmark's mean is 0.13; the model's own jobs correct it.
UNMEASURED_SHARE = 0.1
LOOK_BACK = 20  # jobs that predictions rest on


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


def last_training(session: Session, parent: ModelVersion) -> dict[str, Any]:
    """Seconds and samples of the model's last training, if one was measured."""
    version: ModelVersion | None = parent
    while version is not None:
        if "train_seconds" in version.manifest:
            return {
                "train_seconds": version.manifest["train_seconds"],
                "train_samples": version.manifest["train_samples"],
            }
        version = None if version.parent_id is None else versions.by_id(session, version.parent_id)
    return {"train_seconds": None, "train_samples": None}


def costs(past: Sequence[Job], assessed: dict[str, Any], method: Route) -> Costs:
    """The decision's costs: measured shares of a retrain where this model has a history."""
    retrain = float(assessed["retrain_seconds"])
    runs = [run for job in past for run in runs_of(job) if run["route"] == method]
    audits = [float(job.audit["seconds"]) for job in past if job.audit]
    share = mean(run["seconds"] / run["retrain_seconds"] for run in runs) if runs else None
    return Costs(
        retrain=retrain,
        unlearn=retrain * (UNMEASURED_SHARE if share is None else share),
        audit=mean(audits) if audits else float(assessed["audit_seconds"]),
        assess=float(assessed["hardness"]["seconds"]),
        p_escalate=expected_escalation(sum(run["escalated"] for run in runs), len(runs)),
    )


def runs_of(job: Job) -> list[dict[str, Any]]:
    """A job's runs: the one that was published, and those that an audit sent back before it."""
    assert job.run is not None
    published = {key: value for key, value in job.run.items() if key != "earlier"}
    return [
        *({**run, "escalated": True} for run in job.run.get("earlier", [])),
        {**published, "escalated": False},
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


def choices(policy: Policy) -> Choices:
    """The operator's policy as the decision knows it."""
    return Choices(route=None if policy.route == "auto" else Route(policy.route))
