"""One step per job state: do its work outside any transaction, write it down under the fence."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from app.ledger import endings, jobs, publishing, stored_weights, versions
from app.ledger.policy import Policy
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from app.ledger.transitions import move
from models.decision import Decision, Route, decide
from models.hardness.record import Hardness
from workers import costs, known_scores, reference_steps
from workers.child_process import ChildFailed
from workers.desk import Desk


def begin(desk: Desk) -> None:
    """queued -> training or assessing."""
    with desk.held() as (session, job):
        trains = job.kind in (JobKind.TRAIN, JobKind.REFERENCES)
        following = JobState.TRAINING if trains else JobState.ASSESSING
        move(session, job, following, now=desk.station.clock(), attempt=job.attempt)


def train(desk: Desk) -> None:
    """training -> publishing: a model's first version."""
    made = desk.ask("train", out=str(desk.out("trained")))
    desk.keep("trained", made["weights_digest"])
    with desk.held() as (session, job):
        job.run = {"route": "trained", **made}
        move(
            session,
            job,
            JobState.PUBLISHING,
            now=desk.station.clock(),
            weights_sha256=made["weights_digest"],
        )


def assess(desk: Desk) -> None:
    """assessing -> unlearning, auditing or awaiting_approval: measure, decide, write both down.

    A dry run has succeeded then.
    """
    with desk.held() as (session, job):
        known = costs.last_training(session, parent_of(session, job))
        steering = known_scores.lay(desk, session, job, judging=False)
    assessed = desk.ask("assess", steering=steering, **known)
    with desk.held() as (session, job):
        decision = decided(session, job, assessed)
        job.hardness = assessed["hardness"]
        job.decision = asdict(decision) | {"retrain_seconds": assessed["retrain_seconds"]}
        if job.kind is JobKind.ASSESS:
            jobs.finish(
                session,
                job,
                JobState.SUCCEEDED,
                now=desk.station.clock(),
                route=decision.route.value,
            )
            return
        waits = Policy.of(job.model.policy).approval
        following = JobState.AWAITING_APPROVAL if waits else endings.after_decision(job)
        move(
            session,
            job,
            following,
            now=desk.station.clock(),
            route=decision.route.value,
            reasons=list(decision.reasons),
            numbers=dict(decision.numbers),
            thresholds=dict(decision.thresholds),
        )
        let_wait(session, job)


def decided(session: Session, job: Job, assessed: dict[str, Any]) -> Decision:
    """The route, from what was measured now and in earlier jobs."""
    policy = Policy.of(job.model.policy)
    choices = costs.choices(policy)
    return decide(
        Hardness.of(assessed["hardness"]),
        costs.costs(costs.past_jobs(session, job), assessed, choices.route or choices.method),
        costs.budgets(session, parent_of(session, job), policy),
        choices,
    )


def unlearn(desk: Desk) -> None:
    """unlearning -> auditing: run the route; one that diverges is followed by a retrain."""
    with desk.held() as (session, job):
        assert job.decision is not None
        route, predicted = str(job.decision["route"]), float(job.decision["retrain_seconds"])
        steering = known_scores.lay(desk, session, job, judging=False)
    try:
        made = desk.ask("unlearn", route=route, steering=steering, out=str(desk.out(route)))
    except ChildFailed as failure:
        if failure.error["code"] != "diverged" or route == Route.RETRAIN:
            raise
        with desk.held() as (_, job):
            retrain_instead(job, f"{route} diverged: {failure.error['detail']}")
        return
    desk.keep(route, made["weights_digest"])
    with desk.held() as (session, job):
        earlier = (job.run or {}).get("earlier", [])
        job.run = {"route": route, "retrain_seconds": predicted, **made, "earlier": earlier}
        move(
            session,
            job,
            JobState.AUDITING,
            now=desk.station.clock(),
            route=route,
            weights_sha256=made["weights_digest"],
            movement=made["movement"],
        )


def audit(desk: Desk) -> None:
    """auditing -> publishing, unlearning or awaiting_approval: attack what would be served."""
    with desk.held() as (session, job):
        assert job.decision is not None
        route = str(job.decision["route"])
        served = job.run["weights_digest"] if job.run else parent_of(session, job).weights_digest
        affordable = (
            job.decision["retrain_seconds"] <= Policy.of(job.model.policy).reference_seconds
        )
        judging = known_scores.lay(desk, session, job, judging=True)
    report = desk.ask(
        "audit",
        route=route,
        served=desk.fetched(served),
        # A retrain is exact by how it was made; a reference would only be the same again.
        judging=judging,
        with_reference=affordable and judging is None and route != Route.RETRAIN,
    )
    with desk.held() as (session, job):
        job.audit = report
        following = after_verdict(job, report["verdict"])
        if following is JobState.UNLEARNING:
            retrain_instead(job, f"the audit of {route} said {report['verdict']}")
            stored_weights.release(session, job, now=desk.station.clock())
        move(
            session,
            job,
            following,
            now=desk.station.clock(),
            verdict=report["verdict"],
            sentences=report["sentences"],
        )
        let_wait(session, job)


def after_verdict(job: Job, verdict: str) -> JobState:
    """Pass: publish. Else retrain, unless that was done already or policy wants a person's word."""
    assert job.decision is not None
    if verdict == "pass":
        return JobState.PUBLISHING
    if job.decision["route"] == Route.RETRAIN:
        return JobState.AWAITING_APPROVAL
    if verdict == "inconclusive" and Policy.of(job.model.policy).on_inconclusive == "approve":
        return JobState.AWAITING_APPROVAL
    return JobState.UNLEARNING


def let_wait(session: Session, job: Job) -> None:
    """A job that waits for a person is held by no worker."""
    if job.state is JobState.AWAITING_APPROVAL:
        jobs.release(session, job)


def retrain_instead(job: Job, reason: str) -> None:
    """Change the route to `retrain`; what was decided and run before stays on the record."""
    assert job.decision is not None
    before = {key: value for key, value in (job.run or {}).items() if key != "earlier"}
    if before:
        verdict = {"audit": None if job.audit is None else brief(job.audit)}
        job.run = before | {"earlier": [*(job.run or {}).get("earlier", []), before | verdict]}
    job.decision = job.decision | {
        "route": Route.RETRAIN.value,
        "escalated_from": job.decision["route"],
        "reasons": [*job.decision["reasons"], f"Retrained after all: {reason}."],
    }


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """What of an overruled audit is kept."""
    return {key: report[key] for key in ("verdict", "sentences", "numbers", "seconds")}


def publish(desk: Desk) -> None:
    """publishing -> succeeded: one transaction, after the store has been read back."""
    with desk.held() as (session, job):
        served = job.run["weights_digest"] if job.run else parent_of(session, job).weights_digest
    desk.station.store.verify(served)
    with desk.held() as (session, job):
        now = desk.station.clock()
        if job.kind is JobKind.TRAIN:
            publishing.publish_trained(
                session, job, weights_digest=served, manifest=manifest(job), now=now
            )
        else:
            assert job.decision is not None
            publishing.publish_unlearned(
                session,
                job,
                route=str(job.decision["route"]),
                weights_digest=served,
                manifest=manifest(job),
                now=now,
            )


def manifest(job: Job) -> dict[str, Any]:
    """How a version was made, as far as somebody needs to know who would make it again."""
    facts = {"recipe": job.model.recipe, "seed": job.seed, "lacuna": version("lacuna")}
    run = job.run or {}
    kept = ("train_seconds", "train_samples", "scores", "seconds", "movement", "made_with")
    if run.get("route") == Route.RETRAIN:
        facts |= {"train_seconds": run["seconds"], "train_samples": len(job.training_set)}
    return facts | {key: run[key] for key in kept if key in run}


def parent_of(session: Session, job: Job) -> ModelVersion:
    assert job.parent_version_id is not None
    return versions.by_id(session, job.parent_version_id)


Steps = dict[JobState, Callable[[Desk], None]]

STEPS: dict[JobKind, Steps] = {
    JobKind.TRAIN: {
        JobState.QUEUED: begin,
        JobState.TRAINING: train,
        JobState.PUBLISHING: publish,
    },
    JobKind.UNLEARN: {
        JobState.QUEUED: begin,
        JobState.ASSESSING: assess,
        JobState.UNLEARNING: unlearn,
        JobState.AUDITING: audit,
        JobState.PUBLISHING: publish,
    },
    JobKind.ASSESS: {
        JobState.QUEUED: begin,
        JobState.ASSESSING: assess,
    },
    JobKind.REFERENCES: {
        JobState.QUEUED: begin,
        JobState.TRAINING: reference_steps.train_one,
        JobState.PUBLISHING: reference_steps.finish,
    },
}
