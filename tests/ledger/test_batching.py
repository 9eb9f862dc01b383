from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import batching, datasets, endings
from app.ledger.policy import Policy
from app.ledger.states import ErasureState, JobKind, JobState, RequestState
from app.ledger.tables import Dataset, Erasure, ModelVersion
from tests.factories import (
    DAY,
    NOW,
    make_dataset,
    make_erasure,
    make_model,
    make_request,
    make_training,
    make_version,
    ordinals,
    run_through,
)

SECOND = timedelta(seconds=1)
LATER = NOW + 10 * SECOND
PATIENT: dict[str, Any] = {
    "max_wait_seconds": 1e6,
    "max_samples": 10**6,
    "due_margin_seconds": 3600.0,
}


def with_policy(session: Session, **policy: Any) -> ModelVersion:
    """The live version of a model that waits, but for what the test is about."""
    return make_version(session, make_model(session, **{**PATIENT, **policy}))


def dataset_of(session: Session) -> Dataset:
    return datasets.get(session, "faces")


def test_a_batch_is_made_once_the_oldest_has_waited_long_enough(session: Session) -> None:
    line_id = with_policy(session, max_wait_seconds=60.0).model_id
    make_erasure(session, "ada")
    make_erasure(session, "ben", now=NOW + 59 * SECOND)

    early = batching.batch(session, line_id, now=NOW + 59 * SECOND)
    job = batching.batch(session, line_id, now=NOW + 60 * SECOND)

    assert early is None
    assert job is not None
    assert (job.kind, job.state) == (JobKind.UNLEARN, JobState.QUEUED)
    assert job.forget_set == ordinals(session, dataset_of(session), "ada", "ben")


def test_a_batch_is_made_once_there_are_enough_samples(session: Session) -> None:
    line_id = with_policy(session, max_samples=5).model_id
    make_erasure(session, "ada", "ben")
    make_erasure(session, "ben")  # whose samples are counted already

    early = batching.batch(session, line_id, now=NOW)
    make_erasure(session, "eve")

    assert early is None
    assert batching.batch(session, line_id, now=NOW) is not None


def test_a_batch_is_made_before_the_earliest_due_date(session: Session) -> None:
    line_id = with_policy(session, min_subjects=9).model_id
    make_erasure(session, "ada", due_at=NOW + 9 * DAY)
    make_erasure(session, "ben", due_at=NOW + 2 * DAY)
    margin = timedelta(hours=1)

    early = batching.batch(session, line_id, now=NOW + 2 * DAY - margin - SECOND)
    job = batching.batch(session, line_id, now=NOW + 2 * DAY - margin)

    assert early is None
    assert job is not None
    assert job.due_at == NOW + 2 * DAY
    assert len(batching.locked(session, Erasure.job_id == job.id)) == 2


@pytest.mark.parametrize("eager", [{"max_wait_seconds": 0.0}, {"max_samples": 1}])
def test_a_small_batch_is_held_back_until_enough_people_are_in_it(
    session: Session, eager: dict[str, Any]
) -> None:
    line_id = with_policy(session, min_subjects=2, **eager).model_id
    make_erasure(session, "ada")

    alone = batching.batch(session, line_id, now=NOW)
    make_erasure(session, "ben")

    assert alone is None
    assert batching.batch(session, line_id, now=NOW) is not None


def test_an_operator_need_not_wait(session: Session) -> None:
    line_id = with_policy(session, min_subjects=9).model_id
    make_erasure(session, "ada")

    assert batching.batch(session, line_id, now=NOW) is None
    assert batching.batch(session, line_id, now=NOW, flush=True) is not None


def test_nothing_pending_makes_no_job(session: Session) -> None:
    line_id = with_policy(session).model_id

    assert batching.batch(session, line_id, now=NOW, flush=True) is None


def test_a_job_forgets_the_union_and_keeps_the_rest(session: Session) -> None:
    parent = with_policy(session)
    requests = [make_request(session, "ada", "ben"), make_request(session, "ben", "eve")]

    job = batching.batch(session, parent.model_id, now=NOW, flush=True)

    assert job is not None
    assert job.forget_set == ordinals(session, dataset_of(session), "ada", "ben", "eve")
    assert job.training_set == parent.training_set - job.forget_set
    assert job.parent_version_id == parent.id
    assert [request.state for request in requests] == [RequestState.IN_PROGRESS] * 2
    assert {erasure.state for request in requests for erasure in request.erasures} == {
        ErasureState.BATCHED
    }


def test_erasures_that_come_during_a_job_go_into_the_next(session: Session) -> None:
    line_id = with_policy(session).model_id
    make_erasure(session, "ada")
    first = batching.batch(session, line_id, now=NOW, flush=True)
    late = make_erasure(session, "ben")

    during = batching.batch(session, line_id, now=NOW, flush=True)
    assert first is not None
    version = run_through(session, first)
    after = batching.batch(session, line_id, now=NOW, flush=True)

    assert during is None
    assert after is not None
    assert (after.parent_version_id, late.job_id) == (version.id, after.id)


def test_a_batch_that_would_cover_everything_leaves_the_last_erasure_to_a_person(
    session: Session,
) -> None:
    line_id = with_policy(session).model_id
    make_erasure(session, "ada", "ben")
    make_erasure(session, "eve", "kim", now=NOW + SECOND)
    last = make_erasure(session, "zoe", now=NOW + 2 * SECOND)

    first = batching.batch(session, line_id, now=LATER, flush=True)
    before = last.state
    assert first is not None
    run_through(session, first)
    second = batching.batch(session, line_id, now=LATER, flush=True)

    assert second is None
    assert [before, last.state] == [ErasureState.PENDING, ErasureState.ON_HOLD]
    assert last.request.state is RequestState.ON_HOLD
    assert batching.batch(session, line_id, now=LATER, flush=True) is None


def test_those_behind_one_that_cannot_be_carried_out_are_not_held_up(session: Session) -> None:
    line_id = with_policy(session).model_id
    make_erasure(session, "ada", "ben", "eve")
    stuck = make_erasure(session, "kim", "zoe", now=NOW + SECOND)
    behind = make_erasure(session, "zoe", now=NOW + 2 * SECOND)
    first = batching.batch(session, line_id, now=LATER, flush=True)
    assert first is not None
    run_through(session, first)

    second = batching.batch(session, line_id, now=LATER, flush=True)
    third = batching.batch(session, line_id, now=LATER, flush=True)

    assert second is None
    assert third is not None
    assert stuck.state is ErasureState.ON_HOLD
    assert behind.job_id == third.id


def test_erasures_of_a_failed_job_wait_and_are_tried_again(session: Session) -> None:
    line_id = with_policy(session).model_id
    erasure = make_erasure(session, "ada")
    job = batching.batch(session, line_id, now=NOW, flush=True)
    assert job is not None
    endings.cancel(session, job, now=NOW, retry_seconds=60.0)

    assert (erasure.state, erasure.job_id) == (ErasureState.PENDING, None)
    assert erasure.request.state is RequestState.ACCEPTED
    assert batching.models_with_pending(session, now=NOW + 59 * SECOND) == []
    assert batching.batch(session, line_id, now=NOW + 59 * SECOND) is None
    assert batching.models_with_pending(session, now=NOW + 60 * SECOND) == [line_id]
    assert batching.batch(session, line_id, now=NOW + 59 * SECOND, flush=True) is not None


def test_a_request_follows_the_least_advanced_of_its_erasures(session: Session) -> None:
    faces = with_policy(session)
    masks = make_version(session, make_model(session, dataset_of(session), "masks"))
    request = make_request(session, "ada")
    seen = [request.state]

    for line_id in (faces.model_id, masks.model_id):
        job = batching.batch(session, line_id, now=NOW, flush=True)
        assert job is not None
        run_through(session, job)
        seen.append(request.state)

    assert seen == [RequestState.ACCEPTED, RequestState.IN_PROGRESS, RequestState.COMPLETED]


def test_a_model_without_a_version_has_nothing_to_forget(session: Session) -> None:
    job = make_training(session)

    request = make_request(session, "ada")

    assert request.state is RequestState.COMPLETED_NO_DATA
    assert batching.batch(session, job.model_id, now=NOW, flush=True) is None


def test_an_unknown_model_has_nothing_pending(session: Session) -> None:
    make_dataset(session)

    assert batching.models_with_pending(session, now=NOW) == []


def an_erasure(samples: Bitmap) -> Erasure:
    return Erasure(samples=samples, request_id=UUID(int=0), due_at=NOW + DAY, created_at=NOW)


@given(
    st.lists(st.frozensets(st.integers(0, 12), min_size=1), max_size=8),
    st.frozensets(st.integers(0, 12), min_size=1),
)
def test_what_is_taken_is_the_longest_run_that_leaves_something(
    wanted: list[frozenset[int]], trained_on: frozenset[int]
) -> None:
    erasures = [an_erasure(Bitmap(samples)) for samples in wanted]

    taken = batching.fitting(erasures, ModelVersion(training_set=Bitmap(trained_on)))

    fits = [not trained_on <= frozenset().union(*wanted[:n]) for n in range(len(wanted) + 1)]
    assert taken == erasures[: max(n for n, leaves in enumerate(fits) if leaves)]


@given(st.floats(0, 1e6), st.integers(1, 20), st.floats(0, 1e6), st.integers(-100, 10**6))
def test_the_due_date_comes_first_whatever_the_policy(
    max_wait: float, min_subjects: int, margin: float, seconds: int
) -> None:
    policy = Policy(max_wait_seconds=max_wait, min_subjects=min_subjects, due_margin_seconds=margin)
    erasure = an_erasure(Bitmap([1]))

    overdue = batching.time_has_come([erasure], policy, now=erasure.due_at + seconds * SECOND)

    assert overdue or seconds < 0
