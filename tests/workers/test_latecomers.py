"""A retrain leaves out what was asked for while its job was under way; nobody loses by it."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from app.bitmap import Bitmap
from app.db import transaction
from app.ledger import batching, endings, holds, jobs, publishing, requests, versions
from app.ledger.reasons import HoldReason
from app.ledger.states import ErasureState, JobState, RequestState, VersionState
from app.ledger.tables import Job
from app.ledger.transitions import move
from tests.factories import NOW, PEOPLE, make_request, make_version
from tests.reports import stages
from workers import running, steps
from workers.desk import Assignment, Desk
from workers.station import Station

EVERYONE = frozenset(range(10))


@pytest.fixture
def job(station: Station) -> UUID:
    """A job for Ada's samples, 0 and 1, that is about to be retrained and that nobody holds."""
    with transaction(station.sessions) as session:
        version = make_version(session)
        make_request(session, "ada")
        job = batching.batch(session, version.model_id, now=NOW, flush=True)
        assert job is not None
        job.decision = {"route": "retrain", "retrain_seconds": 1.0}
        move(session, job, JobState.ASSESSING, now=NOW)
        move(session, job, JobState.UNLEARNING, now=NOW)
        return job.id


def ask(station: Station, *people: str) -> UUID:
    with transaction(station.sessions) as session:
        return make_request(session, *people).id


def claim(station: Station, job: UUID) -> Assignment:
    claimed = running.claim(station, job)
    assert claimed is not None
    return claimed


class Child(stages.FakeDesk):
    """A desk in a real transaction each time, whose child notes what it was asked."""

    def __init__(self, station: Station, assignment: Assignment) -> None:
        self.at = station
        self.assignment = assignment
        self.station = SimpleNamespace(clock=station.clock, store=SimpleNamespace(put=str))
        self.asked: list[str] = []

    def held(self) -> Any:
        return Desk.held(cast(Desk, SimpleNamespace(station=self.at, assignment=self.assignment)))

    def ask(self, phase: str, **_: object) -> dict[str, Any]:
        self.asked.append(phase)
        return dict(stages.ran("retrain"))


def unlearn(station: Station, assignment: Assignment) -> list[str]:
    """Take the step; what the child was asked."""
    desk = Child(station, assignment)
    steps.unlearn(cast(Desk, desk))
    return desk.asked


def facts(station: Station, job: UUID) -> tuple[JobState, frozenset[int], bool]:
    """The job's state, what it trains on, and whether a worker holds it."""
    with transaction(station.sessions) as session:
        row = jobs.get(session, job)
        return row.state, frozenset(row.training_set), row.lease_until is not None


def test_a_retrain_is_claimed_without_what_was_asked_for_since_it_was_batched(
    station: Station, job: UUID
) -> None:
    ask(station, "ben")

    claimed = claim(station, job)

    assert frozenset(claimed.samples) == EVERYONE - {0, 1, 2, 3}
    assert claimed.retain == [f"{person}-{n}" for person in PEOPLE[2:] for n in range(2)]
    assert facts(station, job) == (JobState.UNLEARNING, EVERYONE - {0, 1, 2, 3}, True)


def test_what_a_request_on_hold_wants_forgotten_is_left_out_too(
    station: Station, job: UUID
) -> None:
    late = ask(station, "ben")
    with transaction(station.sessions) as session:
        holds.hold(session, late, reason=HoldReason.LEGAL_CLAIMS, now=NOW)

    assert frozenset(claim(station, job).samples) == EVERYONE - {0, 1, 2, 3}


def test_a_job_that_turns_into_a_retrain_is_let_go_once_and_claimed_without_latecomers(
    station: Station, job: UUID
) -> None:
    """The child has the samples of a claim that was not for a retrain."""
    route(station, job, "hamu")
    first = claim(station, job)
    ask(station, "ben")
    route(station, job, "retrain")

    assert unlearn(station, first) == []
    assert facts(station, job) == (JobState.UNLEARNING, EVERYONE - {0, 1}, False)
    second = claim(station, job)
    ask(station, "eve")

    assert unlearn(station, second) == ["unlearn"]
    assert facts(station, job) == (JobState.AUDITING, EVERYONE - {0, 1, 2, 3}, True)


def route(station: Station, job: UUID, name: str) -> None:
    with transaction(station.sessions) as session:
        row = session.get_one(Job, job)
        row.decision = {"route": name, "retrain_seconds": 1.0}


def test_a_job_without_latecomers_is_not_let_go(station: Station, job: UUID) -> None:
    route(station, job, "hamu")
    first = claim(station, job)
    route(station, job, "retrain")

    assert unlearn(station, first) == ["unlearn"]


def test_weights_that_saw_the_latecomers_keep_them_for_the_next_job(
    station: Station, job: UUID
) -> None:
    route(station, job, "hamu")
    ask(station, "ben")

    assert frozenset(claim(station, job).samples) == EVERYONE - {0, 1}


def test_nobody_is_left_out_where_nothing_would_remain(station: Station, job: UUID) -> None:
    for person in PEOPLE[1:]:
        ask(station, person)

    assert frozenset(claim(station, job).samples) == EVERYONE - {0, 1}


def test_once_it_is_published_the_latecomers_are_cleared_and_their_request_completed(
    station: Station, job: UUID
) -> None:
    late = ask(station, "ben")
    unlearn(station, claim(station, job))
    with transaction(station.sessions) as session:
        row = jobs.get(session, job)
        move(session, row, JobState.PUBLISHING, now=NOW)
        new = publishing.publish_unlearned(
            session, row, route="retrain", weights_digest="ab" * 32, manifest={}, now=NOW
        )
        assert new.training_set == Bitmap(range(4, 10))
        assert batching.batch(session, row.model_id, now=NOW) is None

    with transaction(station.sessions) as session:
        request = requests.get(session, late)
        assert request.state is RequestState.COMPLETED
        assert [erasure.state for erasure in request.erasures] == [ErasureState.CLEARED]
        first, second = versions.listed(session, row.model)
        assert (first.state, second.state) == (VersionState.WITHDRAWN, VersionState.PUBLISHED)


def test_a_latecomer_that_is_taken_back_is_left_out_all_the_same(
    station: Station, job: UUID
) -> None:
    """It was trained without them by then; nobody has to be told of a model that saw less."""
    late = ask(station, "ben")
    claim(station, job)
    with transaction(station.sessions) as session:
        requests.cancel(session, late, now=NOW, reason="changed their mind")
        row = jobs.get(session, job)
        endings.fail_attempt(
            session, row, {"code": "child_died"}, now=NOW, max_attempts=5, retry_seconds=1.0
        )
        row.not_before = None

    assert frozenset(claim(station, job).samples) == EVERYONE - {0, 1, 2, 3}
