"""Holds a published version against a true retrain, when nothing else is due."""

from app.ledger import checks, jobs
from app.ledger.states import JobState
from app.ledger.transitions import move
from workers.desk import Desk


def check(desk: Desk) -> None:
    """training -> publishing: retrain, compare, destroy, and write down what came of it."""
    with desk.held() as (session, job):
        version = checks.checked_version(session, job.id)
    outcome = desk.ask(
        "check",
        route=version.made_by,
        served=desk.fetched(version.weights_digest),
        out=str(desk.out("reference")),
    )
    verdict = outcome.pop("verdict")
    with desk.held() as (session, job):
        now = desk.station.clock()
        checks.keep(session, job, verdict, outcome, now=now)
        move(session, job, JobState.PUBLISHING, now=now)


def finish(desk: Desk) -> None:
    """publishing -> succeeded: the entry states the verdict, and what was destroyed."""
    with desk.held() as (session, job):
        made = checks.of_job(session, job.id)
        assert made.outcome is not None
        jobs.finish(
            session,
            job,
            JobState.SUCCEEDED,
            now=desk.station.clock(),
            checked=checks.checked_version(session, job.id).number,
            verdict=made.verdict,
            sentences=made.outcome["sentences"],
            destroyed=[made.outcome["destroyed"]],
        )
