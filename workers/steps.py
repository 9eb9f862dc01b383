"""One step per job state: do its work outside any transaction, write it down under the fence."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from sqlalchemy.orm import Session

from app import crashing
from app.ledger import (
    canary_tests,
    endings,
    jobs,
    publishing,
    riders,
    stored_weights,
    training_logs,
    versions,
)
from app.ledger.policy import Policy
from app.ledger.states import LOW_PRIORITY, JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from app.ledger.transitions import move
from models.decision_terms import Route
from workers import (
    calibration_steps,
    canary_papers,
    check_steps,
    deciding,
    known_scores,
    reference_steps,
    retraining,
)
from workers.child_process import ChildFailed
from workers.desk import Desk

# Of a decision, what its ledger entry states before anything is run.
ENTERED = ("route", "reasons", "numbers", "thresholds", "sources", "audit_thresholds")

# Failures of a route that a retrain can do without, by their code. RUM, for one, needs labels, and
# a sample for each of its groups.
INSTEAD = {"diverged": "{route} diverged", "impossible": "{route} cannot do this"}


def begin(desk: Desk) -> None:
    """queued -> training or assessing."""
    with desk.held() as (session, job):
        trains = job.kind in (JobKind.TRAIN, *LOW_PRIORITY)
        following = JobState.TRAINING if trains else JobState.ASSESSING
        move(session, job, following, now=desk.station.clock(), attempt=job.attempt)


def train(desk: Desk) -> None:
    """training -> publishing: a model's first version."""
    made = desk.ask("train", out=str(desk.out("trained")))
    desk.keep("trained", made["weights_digest"])
    with desk.held() as (session, job):
        keep_log(desk, session, job, made)
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
        known = versions.last_training(session, parent_of(session, job))
        steering = known_scores.lay(desk, session, job, judging=False)
        both = job.training_set | job.forget_set
        confidences = known_scores.lay_confidences(desk, session, job, both)
    assessed = desk.ask("assess", steering=steering, confidences=confidences, **known)
    with desk.held() as (session, job):
        now = desk.station.clock()
        job.hardness = assessed["hardness"]
        job.decision = decision = deciding.decided(session, job, assessed, now=now)
        if job.kind is JobKind.ASSESS:
            jobs.finish(session, job, JobState.SUCCEEDED, now=now, route=decision["route"])
            return
        waits = Policy.of(job.model.policy).approval
        following = JobState.AWAITING_APPROVAL if waits else endings.after_decision(job)
        move(session, job, following, now=now, **{name: decision[name] for name in ENTERED})
        endings.let_wait(session, job, now=now, retry_seconds=desk.station.settings.retry_seconds)


def unlearn(desk: Desk) -> None:
    """unlearning -> auditing: run the route; a retrain follows one that diverges or refuses."""
    with desk.held() as (session, job):
        assert job.decision is not None
        if retraining.is_due_too_soon(desk, session, job):
            return
        if retraining.leaves_out_more(desk, session, job):
            return
        route, predicted = str(job.decision["route"]), float(job.decision["retrain_seconds"])
        steering = known_scores.lay(desk, session, job, judging=False)
        ranked = route == Route.RUM
        confidences = (
            known_scores.lay_confidences(desk, session, job, job.forget_set) if ranked else None
        )
    out = str(desk.out(route))
    try:
        made = desk.ask("unlearn", route=route, steering=steering, confidences=confidences, out=out)
    except ChildFailed as failure:
        if failure.error["code"] not in INSTEAD or route == Route.RETRAIN:
            raise
        why = INSTEAD[failure.error["code"]].format(route=route)
        with desk.held() as (_, job):
            retraining.order(job, f"{why}: {failure.error['detail']}")
        return
    desk.keep(route, made["weights_digest"])
    with desk.held() as (session, job):
        keep_log(desk, session, job, made)
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
            left_out=retraining.left_out(session, job) or None,
        )


def keep_log(desk: Desk, session: Session, job: Job, made: dict[str, Any]) -> None:
    """Keep how sure the network was of each sample while it was trained, if the recipe told."""
    if made.pop("logged"):
        training_logs.keep(session, job, desk.floats("confidences"))


def audit(desk: Desk) -> None:
    """auditing -> publishing, unlearning or awaiting_approval: attack what would be served."""
    with desk.held() as (session, job):
        assert job.decision is not None
        route = str(job.decision["route"])
        served = job.run["weights_digest"] if job.run else parent_of(session, job).weights_digest
        affordable = (
            job.decision["retrain_seconds"] <= Policy.of(job.model.policy).reference_seconds
        )
        declared = job.decision.get("audit_thresholds", {})  # of an earlier release: not yet
        judging = known_scores.lay(desk, session, job, judging=True)
        unasked = known_scores.why_unasked(session, job)
        canaries = canary_papers.lay(desk, session, job)
    report = desk.ask(
        "audit",
        route=route,
        thresholds=declared,
        served=desk.fetched(served),
        judging=judging,
        unasked=unasked,
        canaries=canaries,
        # A retrain is exact by how it was made; a reference would only be the same again.
        may_retrain=affordable and route != Route.RETRAIN,
    )
    with desk.held() as (session, job):
        now = desk.station.clock()
        accumulate(session, job, report["canaries"])
        job.audit = report
        following = after_verdict(job, report["verdict"])
        if following is JobState.UNLEARNING:
            retraining.order(job, f"the audit of {route} said {report['verdict']}")
            stored_weights.release(session, job, now=now)
        facts = {name: report[name] for name in ("verdict", "sentences")}
        move(session, job, following, now=now, **facts)
        endings.let_wait(session, job, now=now, retry_seconds=desk.station.settings.retry_seconds)


def accumulate(session: Session, job: Job, told: dict[str, Any]) -> None:
    """Put what the coins of this job say together with those of the jobs before.

    And how many are left, that no job has looked at.
    """
    known = riders.pool(session, parent_of(session, job))
    told["left"] = len(known.fresh) if known.dealt else None
    if told["e_value"] is not None:
        told["wealth"] = canary_tests.wealth(session, job.model_id) * told["e_value"]
        told["jobs"] = len(canary_tests.of_model(session, job.model_id)) + 1


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


def publish(desk: Desk) -> None:
    """publishing -> succeeded: one transaction, after the store has been read back."""
    with desk.held() as (session, job):
        served = job.run["weights_digest"] if job.run else parent_of(session, job).weights_digest
    desk.station.store.verify(served)
    crashing.at("publish.after_store")
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
    JobKind.CALIBRATE: {
        JobState.QUEUED: begin,
        JobState.TRAINING: calibration_steps.try_one,
        JobState.PUBLISHING: calibration_steps.finish,
    },
    JobKind.CHECK: {
        JobState.QUEUED: begin,
        JobState.TRAINING: check_steps.check,
        JobState.PUBLISHING: check_steps.finish,
    },
}
