"""Past jobs tell how long the next takes: it is made in time, and what cannot be met is said."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import batching, clocks, durations, measures
from app.ledger.clock_tables import Urgency
from app.ledger.log_tables import LedgerEntry
from app.ledger.policy import Policy
from app.ledger.states import JobKind, JobState
from app.ledger.tables import DeletionRequest, Erasure, ModelVersion
from app.ledger.webhook_tables import WebhookEvent
from tests.factories import (
    DAY,
    NOW,
    make_dataset,
    make_model,
    make_request,
    make_version,
    run_through,
)
from tests.ledger.past_jobs import past_job

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
LASTING = st.integers(0, 10**6).map(lambda seconds: seconds * SECOND)
MOMENT = LASTING.map(lambda after: NOW + after)
PATIENT: dict[str, Any] = {"max_wait_seconds": 1e7, "due_margin_seconds": 3600.0}


@pytest.fixture
def version(session: Session) -> ModelVersion:
    return make_version(session, make_model(session, **PATIENT))


def predicted_late(session: Session, moment: Any) -> list[Any]:
    marked = clocks.escalate(session, now=moment)
    return [request for request, urgency in marked if urgency is Urgency.PREDICTED_LATE]


@given(st.lists(LASTING, min_size=durations.FEWEST, max_size=40))
def test_a_prediction_is_the_least_measured_one_that_few_exceeded(took: list[timedelta]) -> None:
    predicted = durations.predicted(took)

    enough = [each for each in took if sum(t <= each for t in took) >= durations.HIGH * len(took)]
    assert predicted == min(enough)


@given(st.lists(LASTING, max_size=durations.FEWEST - 1))
def test_few_jobs_foretell_nothing(took: list[timedelta]) -> None:
    assert durations.predicted(took) == durations.UNKNOWN


@given(LASTING, MOMENT, MOMENT)
def test_what_waits_ends_one_job_after_what_rides(lasting: timedelta, now: Any, since: Any) -> None:
    rides, waits = (
        durations.end(lasting, now=now, busy_since=since, rides=rides) for rides in (True, False)
    )

    assert rides >= now
    assert rides >= since + lasting
    assert rides in (now, since + lasting)
    assert waits == rides + lasting
    assert durations.end(lasting, now=now, busy_since=None, rides=False) == now + lasting


@given(LASTING, st.floats(0, 1e6), st.integers(-(10**6), 10**6))
def test_a_job_that_lasts_as_predicted_ends_in_time(
    lasting: timedelta, margin: float, seconds: int
) -> None:
    policy = Policy(max_wait_seconds=1e9, due_margin_seconds=margin)
    erasure = Erasure(due_at=NOW + 30 * DAY, created_at=NOW - DAY, samples=Bitmap())
    now = NOW + seconds * SECOND

    due = batching.time_has_come([erasure], policy, now=now, lasting=lasting)

    latest = batching.latest_start([erasure], policy, lasting=lasting)
    assert due == (now >= latest)
    assert latest + lasting + timedelta(seconds=margin) == erasure.due_at


def test_a_batch_is_made_so_early_that_a_job_like_the_last_ones_ends_in_time(
    session: Session, version: ModelVersion
) -> None:
    for hours in (2, 7, 3):
        past_job(session, version, hours * HOUR)
    due_at = make_request(session, "ada").due_at

    early = batching.batch(session, version.model_id, now=due_at - 8 * HOUR - SECOND)
    job = batching.batch(session, version.model_id, now=due_at - 8 * HOUR)

    assert early is None
    assert job is not None


def test_only_the_models_own_last_unlearning_jobs_that_succeeded_count(
    session: Session, version: ModelVersion
) -> None:
    for _ in range(durations.LOOK_BACK):
        past_job(session, version, 2 * HOUR)
    past_job(session, version, HOUR)  # too long ago
    past_job(session, version, 3 * HOUR, kind=JobKind.TRAIN)
    past_job(session, version, 4 * HOUR, state=JobState.FAILED)
    past_job(
        session,
        make_version(session, make_model(session, make_dataset(session, "voices"), "voices")),
        5 * HOUR,
    )

    assert durations.measured(session, version.model_id) == durations.LOOK_BACK * [2 * HOUR]


def test_a_due_date_that_no_job_can_meet_is_told_once(
    session: Session, version: ModelVersion
) -> None:
    for _ in range(durations.FEWEST):
        past_job(session, version, 9 * HOUR)
    late = make_request(session, "ada", due_at=NOW + 9 * HOUR - SECOND)
    make_request(session, "ben", due_at=NOW + 9 * HOUR)

    told = [predicted_late(session, NOW) for _ in range(2)]

    assert told == [[late.id], []]
    assert measures.predicted_late(session, now=NOW) == 1
    assert clocks.of(session, [late])[late.id].at_risk
    kind = "deletion_request.predicted_late"
    assert session.scalars(select(LedgerEntry.row_id).where(LedgerEntry.kind == kind)).all() == [
        late.id
    ]
    assert session.scalars(select(WebhookEvent.row_id).where(WebhookEvent.kind == kind)).all() == [
        late.id
    ]


def test_what_has_to_wait_for_a_job_under_way_is_late_earlier(
    session: Session, version: ModelVersion
) -> None:
    for _ in range(durations.FEWEST):
        past_job(session, version, 4 * HOUR)
    riding = make_request(session, "ada", due_at=NOW + 5 * HOUR)
    batching.batch(session, version.model_id, now=NOW, flush=True)
    waiting = make_request(session, "ben", due_at=NOW + 7 * HOUR, now=NOW + HOUR)

    assert predicted_late(session, NOW + 2 * HOUR) == [waiting.id]
    assert predicted_late(session, NOW + 5 * HOUR) == []  # may end at any moment
    assert predicted_late(session, NOW + 5 * HOUR + SECOND) == []
    assert riding.state != "completed"


def test_nothing_is_foretold_of_what_is_done_or_overdue_or_was_never_measured(
    session: Session, version: ModelVersion
) -> None:
    request = make_request(session, "ada", due_at=NOW + HOUR)
    never_measured = predicted_late(session, NOW)
    for _ in range(durations.FEWEST):
        past_job(session, version, 9 * HOUR)
    overdue = predicted_late(session, NOW + HOUR + SECOND)
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)

    assert (never_measured, overdue, predicted_late(session, NOW)) == ([], [], [])
    assert session.get_one(DeletionRequest, request.id).state == "completed"
