"""Calibrates a model, one trial after another: whatever else is due comes first."""

from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app.ledger import calibrations, datasets, destroyed, endings, jobs, versions
from app.ledger.calibration_tables import CalibrationCell
from app.ledger.policy import Policy
from app.ledger.states import JobState
from app.ledger.tables import Job
from app.ledger.transitions import move
from models.calibration import Trial, calibrate
from models.decision_terms import Route
from models.hardness.record import Hardness
from workers import costs, known_scores
from workers.desk import Desk


def try_one(desk: Desk) -> None:
    """training -> training, or publishing after the last trial.

    The job is let go where another is due, and where its version is no longer the live one.
    """
    with desk.held() as (session, job):
        number = calibrations.next_number(session, job.id)
        if number is None:
            move(session, job, JobState.PUBLISHING, now=desk.station.clock())
            return
        if (live := versions.live(session, job.model_id)) is None:
            give_up(desk, session, job)
            return
        if live.id != job.parent_version_id:
            jobs.let_go(session, job)  # the next claim goes on with the version that is live then
            return
        method = method_of(job)
        samples = desk.assignment.samples
        steering, judging = (
            known_scores.lay_of(desk, session, job, samples, judging=judging)
            for judging in (False, True)
        )
        confidences = known_scores.lay_confidences(desk, session, job, samples)
    outcome = desk.ask(
        "trial",
        number=number,
        of=len(calibrations.CELLS),
        **asdict(calibrations.CELLS[number]),
        method=method.value,
        steering=steering,
        judging=judging,
        confidences=confidences,
        out=str(desk.out("trial")),
    )
    with desk.held() as (session, job):
        keep(desk, session, job, number, outcome | {"method": method.value})


def method_of(job: Job) -> Route:
    """What the model's policy unlearns by; it cannot be a retrain when the calibration is asked."""
    choices = costs.choices(Policy.of(job.model.policy))
    return choices.method if choices.route in (None, Route.RETRAIN) else choices.route


def keep(desk: Desk, session: Session, job: Job, number: int, outcome: dict[str, Any]) -> None:
    """Write down what the trial came to; make way for whoever waits or asked to be forgotten."""
    calibrations.add(session, job, number, outcome, now=desk.station.clock())
    destroyed.note(job, outcome["destroyed"])
    job.attempt = 1  # the claim is doing well
    gone = desk.assignment.samples & datasets.tombstones(session, job.model.dataset_id)
    if gone or jobs.others_wait(session, job, now=desk.station.clock()):
        jobs.let_go(session, job)


def give_up(desk: Desk, session: Session, job: Job) -> None:
    """There is nothing left to calibrate."""
    reason = "the model has no live version any more"
    endings.call_off(session, job, now=desk.station.clock(), reason=reason)


def finish(desk: Desk) -> None:
    """publishing -> succeeded: what was learnt, and the digests of all that was destroyed."""
    with desk.held() as (session, job):
        cells = calibrations.cells(session, job.id)
        method = cells[-1].outcome["method"]  # a policy may have changed it on the way
        trials = [trial_of(cell) for cell in cells if cell.outcome["method"] == method]
        policy = Policy.of(job.model.policy)
        asks_a_person = policy.on_inconclusive != "retrain"
        taught = calibrate(trials, costs.choices(policy), asks_a_person=asks_a_person)
        calibrations.learn(
            session,
            job,
            method=method,
            taught=taught.record(),
            now=desk.station.clock(),
        )
        jobs.finish(
            session,
            job,
            JobState.SUCCEEDED,
            now=desk.station.clock(),
            destroyed=[digest for cell in cells for digest in cell.outcome["destroyed"]],
        )


def trial_of(cell: CalibrationCell) -> Trial:
    """A trial as the rules of calibration know it."""
    outcome, hardness = cell.outcome, Hardness.of(cell.outcome["hardness"])
    kind, seconds = calibrations.CELLS[cell.number], outcome["seconds"]
    return Trial(
        high=kind.high,
        skewed=kind.skewed,
        rule=hardness.deficit.rule,
        memorized=None if hardness.memorization is None else hardness.memorization.share,
        stratum=max(hardness.shares.strata.values()),
        verdict=outcome["verdict"],
        samples=hardness.shares.count,
        share=hardness.shares.total,
        unlearn=seconds["unlearn"] / seconds["retrain"],
        exposed=hardness.deficit.exposed,
        retrained=outcome["retrained_exposed"],
        comparable=hardness.shares.comparable,
    )
