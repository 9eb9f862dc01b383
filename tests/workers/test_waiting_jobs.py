"""Jobs that had to wait: for a person, for other jobs, for weights that may be gone by then."""

from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy.orm import Session

from app.db import transaction
from app.ledger import endings, references
from app.ledger.states import JobState
from app.ledger.tables import Job
from tests.factories import (
    DAY,
    NOW,
    make_dataset,
    make_job,
    make_model,
    make_version,
)
from tests.reports import stages
from workers import running, steps
from workers.desk import Assignment, Desk
from workers.station import Station


def unlearned_at(session: Session, seconds_before_due: float, *, route: str) -> Job:
    """A job that was decided in good time for HAMU, and is taken up again so late."""
    job = stages.carried(session, stages.claimed(session), "begin", "assess")
    assert job.decision is not None
    job.decision = job.decision | {"policy": job.decision["policy"] | {"route": route}}
    desk = stages.FakeDesk(session, job, stages.answers())
    desk.now = NOW + 30 * DAY - timedelta(seconds=seconds_before_due + 1)
    steps.unlearn(cast(Desk, desk))
    return job


@pytest.mark.parametrize(
    ("seconds", "route", "retrains"),
    [(8.0, "auto", True), (1000.0, "auto", False), (1.0, "auto", False), (8.0, "hamu", False)],
)
def test_what_waited_until_it_was_nearly_due_is_retrained_while_that_is_in_time(
    session: Session, seconds: float, route: str, retrains: bool
) -> None:
    job = unlearned_at(session, seconds, route=route)

    assert job.decision is not None
    if not retrains:
        assert (job.decision["route"], job.state) == ("hamu", JobState.AUDITING)
        return
    assert (job.decision["route"], job.state) == ("retrain", JobState.UNLEARNING)
    assert job.decision["reasons"][-1].startswith(
        "Retrained after all: the earliest request is due in 8 s."
    )


def test_a_job_that_is_to_be_cancelled_waits_for_nobody(session: Session) -> None:
    job = stages.carried(session, stages.claimed(session, approval=True), "begin")
    job.lease_until = NOW + DAY  # a worker is at it
    endings.ask_to_cancel(session, job, now=NOW, retry_seconds=60.0)
    states = [job.state]

    states.append(stages.carried(session, job, "assess").state)

    assert states == [JobState.ASSESSING, JobState.CANCELLED]


def test_references_need_no_weights_of_the_version_that_they_are_for(session: Session) -> None:
    line = make_model(session, make_dataset(session))
    make_version(session, line)
    job = references.queue(session, line, now=NOW)
    session.refresh(job, ["model"])

    assert Assignment.of(session, job).parent_digest is None


def test_low_priority_gives_way_however_early_its_bell_was_rung(station: Station) -> None:
    with transaction(station.sessions) as session:
        line = make_model(session, make_dataset(session))
        parent = make_version(session, line)
        low = references.queue(session, line, now=NOW).id
        due = make_job(session, parent=parent).id

    assert running.claim(station, low) is None
    assert running.claim(station, due) is not None
    assert running.claim(station, low) is not None
