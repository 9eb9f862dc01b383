"""A request is completed only if nothing holds its samples any more; else it is a bug."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import batching, jobs, references, stored_weights, versions
from app.ledger.lineage import Incomplete
from app.ledger.reference_tables import ReferenceScores
from app.ledger.states import JobState, RequestState
from app.ledger.tables import Dataset, DeletionRequest, Job, Model, ModelVersion
from tests.factories import (
    NOW,
    digest_of,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
    run_through,
)

BUG = "this is a bug in Lacuna"
Spoil = Callable[[Session, Job], None]


@pytest.fixture
def job(session: Session) -> Job:
    """A job that carries out Ada's request; references of the parent's generation are there."""
    parent = make_version(session)
    score(session, parent)
    make_request(session, "ada")
    job = batching.batch(session, parent.model_id, now=NOW, flush=True)
    assert job is not None
    return job


def score(session: Session, version: ModelVersion, number: int = 0) -> None:
    references.add(
        session,
        version,
        number,
        left_out=Bitmap([0, 4]),
        losses=dict.fromkeys(version.training_set, 0.5),
        unseen=[0.5],
        weights_digest="",
        now=NOW,
    )
    session.flush()


def state(session: Session) -> RequestState:
    return session.scalars(select(DeletionRequest.state)).one()


def keep_in_training_set(session: Session, job: Job) -> None:
    """A bug in batching: the successor is trained on what it is to forget."""
    job.training_set |= job.forget_set


def bring_back_by_another_model(session: Session, job: Job) -> None:
    """A bug in registration: a model that owed nothing has got a version with the samples."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    make_version(session, make_model(session, dataset, "other"))


def queue_with_them(session: Session, job: Job) -> None:
    """A bug in another model's batching."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    parent = make_version(
        session, make_model(session, dataset, "other"), training_set=Bitmap([6, 7])
    )
    make_job(session, parent=parent, forget=Bitmap([6])).training_set = Bitmap([0])


def keep_weights_of_an_ended_job(session: Session, job: Job) -> None:
    """A bug in how jobs end: what one has stored is not released."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    training = make_training(session, make_model(session, dataset, "other"))
    jobs.finish(session, training, JobState.FAILED, now=NOW)
    stored_weights.own(session, training, digest_of("left"), made_by="trained", now=NOW)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (keep_weights_of_an_ended_job, "of 'other' stored and did not publish saw its samples"),
        (keep_in_training_set, "the alias 'live' of 'faces' leads to version 2, which saw its"),
        (bring_back_by_another_model, "version 1 of 'other' is in use and saw 2"),
        (queue_with_them, "makes a version of 'other' that keeps its samples"),
    ],
)
def test_what_still_holds_the_samples_keeps_a_request_from_being_completed(
    session: Session, job: Job, spoil: Spoil, told: str
) -> None:
    spoil(session, job)
    session.flush()

    with pytest.raises(Incomplete, match=BUG) as refusal, session.begin_nested():
        run_through(session, job)

    assert told in str(refusal.value)
    session.expire_all()
    assert state(session) is RequestState.IN_PROGRESS
    assert len(versions.listed(session, session.get_one(Model, job.model_id))) == 1


def test_the_rows_of_references_are_gone_before_a_request_is_completed(
    session: Session, job: Job
) -> None:
    run_through(session, job)

    assert state(session) is RequestState.COMPLETED
    assert job.state is JobState.SUCCEEDED


def test_references_of_a_generation_that_has_ended_are_dropped_by_the_next_look(
    session: Session, job: Job
) -> None:
    """One was being trained while the generation ended, and was written down after that."""
    (old,) = versions.listed(session, session.get_one(Model, job.model_id))
    new = run_through(session, job)  # a retrain: it ends the generation
    score(session, old, 1)
    score(session, new)

    dropped = references.drop_ended(session)

    assert dropped == 1
    assert session.scalars(select(ReferenceScores.version_id)).all() == [new.id]


def test_clearing_an_erasure_takes_its_rows_out_of_references(session: Session) -> None:
    line = make_model(session)
    old = make_version(session, line)
    request = make_request(session, "ada")
    live = make_version(session, line, training_set=Bitmap(range(2, 10)))
    live.parent_id, live.made_by = old.id, "hamu"
    score(session, old)

    batching.batch(session, line.id, now=NOW)

    assert request.state is RequestState.COMPLETED
    assert references.telling(session, line.id, Bitmap([0, 1])) == {}
    assert references.telling(session, line.id, Bitmap([4])) == {old.id: 1}
