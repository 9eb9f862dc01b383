"""Two transactions at once: every test holds one open while the other tries."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.bitmap import Bitmap
from app.db import transaction
from app.errors import IllegalTransition
from app.ledger import (
    batching,
    canaries,
    canary_renewal,
    datasets,
    first_training,
    identifications,
    jobs,
    model_lines,
    publishing,
    requests,
    worker_modes,
)
from app.ledger.jobs import LeaseLost
from app.ledger.log_tables import LedgerEntry
from app.ledger.policy import Policy
from app.ledger.states import ErasureState, JobKind, JobState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Job, ModelVersion
from app.ledger.transitions import move
from app.ledger.worker_tables import Mode
from tests import coins
from tests.factories import (
    DAY,
    NOW,
    announce_worker,
    claim,
    grow,
    key_of,
    make_dataset,
    make_model,
    make_request,
    make_training,
    make_version,
    run_through,
)
from tests.ledger.conftest import Background, waits

Sessions = sessionmaker[Session]
SOON = 20.0


def trained(session: Session) -> Job:
    """A first training that is about to be published, by the worker whose fence is 1."""
    job = make_training(session)
    claim(session, job)
    for state in (JobState.TRAINING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    return job


def publish(session: Session, job_id: UUID) -> ModelVersion | None:
    job = jobs.held(session, job_id, fence=1)
    return publishing.publish_trained(session, job, weights_digest="w", manifest={}, now=NOW)


def ask_for_ada(session: Session) -> UUID:
    return make_request(session, "ada").id


def nothing_is_left_over(sessions: Sessions) -> None:
    """No published version holds a buried sample that no open erasure speaks of."""
    with transaction(sessions) as session:
        (dataset,) = datasets.listed(session)
        buried = datasets.tombstones(session, dataset.id)
        spoken_of = batching.union(
            session.scalars(select(Erasure).where(Erasure.state.in_(["pending", "batched"]))).all()
        )
        assert buried
        for version in session.scalars(
            select(ModelVersion).where(ModelVersion.state == "published")
        ):
            assert version.training_set & buried <= spoken_of


def test_a_request_before_a_publication_sends_the_training_back(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        job_id = trained(session).id

    with transaction(sessions) as asking:
        ask_for_ada(asking)
        publication = background(lambda session: publish(session, job_id))
        assert waits(publication)

    with pytest.raises(LeaseLost):
        publication.result(SOON)
    with transaction(sessions) as session:
        job = jobs.get(session, job_id)
        assert (job.state, job.lease_until) == (JobState.TRAINING, None)
        assert job.training_set == Bitmap(range(2, 10))
    nothing_is_left_over(sessions)


def test_a_request_after_a_publication_finds_the_version(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        job_id = trained(session).id

    with transaction(sessions) as publication:
        assert publish(publication, job_id) is not None
        asking = background(ask_for_ada)
        assert waits(asking)

    with transaction(sessions) as session:
        request = requests.get(session, asking.result(SOON))
        assert request.state is RequestState.ACCEPTED
    nothing_is_left_over(sessions)


def test_a_dataset_is_held_where_nothing_trains(sessions: Sessions, background: Background) -> None:
    with transaction(sessions) as session:
        dataset_id = make_dataset(session).id

    with transaction(sessions) as asking:
        assert not first_training.hold(asking, [dataset_id])
        publication = background(lambda session: datasets.lock(session, dataset_id))
        assert waits(publication)

    publication.result(SOON)


def test_no_coin_falls_for_somebody_who_is_just_asking(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        line_id = coins.make_line(session, canary_share=1.0).id

    def train(session: Session) -> Bitmap:
        first_training.queue(session, model_lines.by_id(session, line_id), now=NOW)
        return canaries.union([row.samples for row in coins.dealt(session)])

    with transaction(sessions) as asking:
        make_request(asking, "person-00")
        training = background(train)
        assert waits(training)

    assert len(training.result(SOON)) == 2 * (len(coins.EVERYBODY) - 1)


def test_no_coin_falls_before_a_retrain_for_somebody_who_is_just_asking(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        line = coins.make_line(session, canary_share=0.4)
        coins.trained(session, line)
        job_id = coins.batched(session, line, *coins.nobody(session, line)[:1]).id
        model_lines.change_policy(session, line, {"canary_share": 0.9}, now=NOW)
        still_asking = coins.nobody(session, line)[1 : -canaries.FEWEST - 4]

    def renew(session: Session) -> Bitmap:
        assert canary_renewal.renew(session, jobs.get(session, job_id), now=NOW)
        return canaries.union([row.samples for row in coins.dealt(session)])

    with transaction(sessions) as asking:
        make_request(asking, *still_asking)
        renewal = background(renew)
        assert waits(renewal)

    with transaction(sessions) as session:
        (dataset,) = datasets.listed(session)
        assert not renewal.result(SOON) & datasets.tombstones(session, dataset.id)


def test_two_models_of_one_dataset_are_made_and_trained_at_once(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        make_dataset(session, people=coins.EVERYBODY)

    def register(name: str, session: Session) -> Job:
        (dataset,) = datasets.listed(session)
        policy = Policy(canary_share=0.5)
        line = model_lines.create(
            session, name, recipe="faces", dataset=dataset, policy=policy, now=NOW
        )
        return first_training.queue(session, line, now=NOW)

    with transaction(sessions) as first:
        (dataset,) = datasets.listed(first)
        line = model_lines.create(
            first, "one", recipe="faces", dataset=dataset, policy=Policy(), now=NOW
        )
        second = background(partial(register, "two"))
        assert waits(second)
        first_training.queue(first, line, now=NOW)

    assert second.result(SOON).kind is JobKind.TRAIN


def test_of_two_who_confirm_a_request_at_once_one_is_told_that_it_is_too_late(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        make_version(session)
        told = requests.Submission(
            samples={}, subject_key=key_of("ada"), received_at=NOW, due_at=NOW + 30 * DAY
        )
        request_id = identifications.submit(session, told, lapses_at=NOW + DAY, now=NOW).id

    def confirm(session: Session) -> None:
        identifications.confirm(session, request_id, now=NOW)

    with transaction(sessions) as first:
        confirm(first)
        second = background(confirm)
        assert waits(second)

    with pytest.raises(IllegalTransition, match="it waits for no verification"):
        second.result(SOON)


def test_a_request_that_ends_at_two_models_at_once_is_completed(
    sessions: Sessions, background: Background
) -> None:
    def end(session: Session, job_id: UUID) -> None:
        run_through(session, session.get_one(Job, job_id))

    with transaction(sessions) as session:
        dataset = make_dataset(session)
        lines = [make_model(session, dataset, name) for name in ("faces", "masks")]
        for line in lines:
            make_version(session, line)
        request_id = make_request(session, "ada").id
        made = [batching.batch(session, line.id, now=NOW, flush=True) for line in lines]
        first, second = (job.id for job in made if job)

    with transaction(sessions) as session:
        end(session, first)
        other = background(partial(end, job_id=second))
        assert waits(other)

    other.result(SOON)
    with transaction(sessions) as session:
        assert requests.get(session, request_id).state is RequestState.COMPLETED


def test_two_models_that_share_many_requests_never_lock_each_other_out(
    sessions: Sessions, background: Background
) -> None:
    people = [f"person-{number}" for number in range(12)]
    with transaction(sessions) as session:
        dataset = make_dataset(session, people=[*people, "nobody"])
        lines = [make_model(session, dataset, name) for name in ("faces", "masks", "teeth")]
        for line in lines:
            make_version(session, line)
        asked = [make_request(session, person).id for person in people]

    def batch_all(session: Session, model_id: UUID) -> Any:
        return batching.batch(session, model_id, now=NOW, flush=True)

    for running in [background(partial(batch_all, model_id=line.id)) for line in lines]:
        assert running.result(SOON) is not None

    with transaction(sessions) as session:
        states = [requests.get(session, request_id).state for request_id in asked]
        assert states == [RequestState.IN_PROGRESS] * len(people)


def test_only_one_of_two_clerks_makes_a_job(sessions: Sessions, background: Background) -> None:
    with transaction(sessions) as session:
        model_id = make_version(session).model_id
        make_request(session, "ada")

    with transaction(sessions) as session:
        mine = batching.batch(session, model_id, now=NOW, flush=True)
        theirs = background(lambda s: batching.batch(s, model_id, now=NOW, flush=True))
        assert waits(theirs)

    assert mine is not None
    assert theirs.result(SOON) is None


def test_a_request_does_not_wait_for_a_batch(sessions: Sessions, background: Background) -> None:
    with transaction(sessions) as session:
        model_id = make_version(session).model_id
        make_request(session, "ben")

    with transaction(sessions) as session:
        batching.batch(session, model_id, now=NOW, flush=True)
        asking = background(ask_for_ada)
        asking.result(SOON)


def test_a_request_does_not_wait_for_an_import(sessions: Sessions, background: Background) -> None:
    with transaction(sessions) as session:
        make_version(session)

    with transaction(sessions) as session:
        grow(session, datasets.get(session, "faces"), "mia")
        asking = background(ask_for_ada)
        asking.result(SOON)


@pytest.mark.parametrize("batched_first", [True, False])
def test_a_request_is_either_batched_or_taken_back(
    sessions: Sessions, background: Background, batched_first: bool
) -> None:
    def batch(session: Session) -> Any:
        return batching.batch(session, model_id, now=NOW, flush=True)

    def cancel(session: Session) -> Any:
        return requests.cancel(session, request_id, now=NOW, reason="changed their mind")

    with transaction(sessions) as session:
        model_id = make_version(session).model_id
        request_id = make_request(session, "ada").id
    first, second = (batch, cancel) if batched_first else (cancel, batch)

    with transaction(sessions) as session:
        first(session)
        other = background(second)
        assert waits(other)

    if batched_first:
        with pytest.raises(IllegalTransition):
            other.result(SOON)
    else:
        assert other.result(SOON) is None
    with transaction(sessions) as session:
        (erasure,) = requests.get(session, request_id).erasures
        expected = ErasureState.BATCHED if batched_first else ErasureState.CANCELLED
        assert erasure.state is expected


def test_a_sample_claimed_while_another_claim_is_taken_back_stays_buried(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        make_version(session)
        mine = make_request(session, "ada").id

    with transaction(sessions) as session:
        make_request(session, "ada")  # which somebody else asks for
        taking_back = background(
            lambda s: requests.cancel(s, mine, now=NOW, reason="changed their mind")
        )
        assert waits(taking_back)

    taking_back.result(SOON)
    nothing_is_left_over(sessions)


def test_many_requests_at_once_for_the_same_person_all_count(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        make_version(session)

    asked = [background(ask_for_ada) for _ in range(8)]

    assert len({running.result(SOON) for running in asked}) == 8
    with transaction(sessions) as session:
        assert len(session.scalars(select(DeletionRequest)).all()) == 8
    nothing_is_left_over(sessions)


@pytest.mark.parametrize("others", ["resume", "pause"])
def test_of_two_who_tell_a_worker_the_same_at_once_one_states_it(
    sessions: Sessions, background: Background, others: str
) -> None:
    told: dict[str, Callable[[Session], None]] = {
        "resume": lambda session: worker_modes.resume(session, "worker", now=NOW),
        "pause": lambda session: worker_modes.tell(session, "worker", Mode.PAUSED, now=NOW),
    }
    with transaction(sessions) as session:
        announce_worker(session, "worker")
        worker_modes.tell(session, "worker", Mode.DRAINING, now=NOW)

    with transaction(sessions) as session:
        told[others](session)
        second = background(told[others])
        assert waits(second)

    second.result(SOON)
    with transaction(sessions) as session:
        told_to = select(LedgerEntry).where(LedgerEntry.machine == "worker")
        assert len(session.scalars(told_to).all()) == 2
