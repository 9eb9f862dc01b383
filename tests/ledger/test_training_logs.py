"""What a training noted of its samples: read for its generation, and gone with its people."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import endings, lineage, publishing, training_logs, versions
from app.ledger.references import FLOAT
from app.ledger.states import JobState, RequestState
from app.ledger.tables import Dataset, Job, Model, ModelVersion
from app.ledger.training_log_tables import TrainingLog
from app.ledger.transitions import move
from tests.factories import (
    NOW,
    digest_of,
    make_dataset,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
    ordinals,
    run_through,
)


@pytest.fixture
def dataset(session: Session) -> Dataset:
    return make_dataset(session)


@pytest.fixture
def line(session: Session, dataset: Dataset) -> Model:
    return make_model(session, dataset)


def noted(job: Job) -> list[float]:
    return [ordinal / 16 for ordinal in job.training_set]


def make_trained(session: Session, line: Model) -> ModelVersion:
    """A first version with its training's log."""
    job = make_training(session, line)
    session.refresh(job, ["model"])
    move(session, job, JobState.TRAINING, now=NOW)
    training_logs.keep(session, job, noted(job))
    move(session, job, JobState.PUBLISHING, now=NOW)
    version = publishing.publish_trained(
        session, job, weights_digest=digest_of("first"), manifest={}, now=NOW
    )
    assert version is not None
    return version


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(TrainingLog)) or 0


def test_what_was_noted_is_read_back_in_the_order_asked_for(session: Session, line: Model) -> None:
    version = make_trained(session, line)

    assert training_logs.of(session, version, Bitmap([7, 2])) == [2 / 16, 7 / 16]
    assert training_logs.of(session, version, Bitmap([2, 99])) is None


def test_a_version_that_was_uploaded_has_no_log(session: Session, line: Model) -> None:
    version = make_version(session, line)

    assert training_logs.of(session, version, Bitmap([0])) is None


def test_a_training_that_is_repeated_replaces_its_log(session: Session, line: Model) -> None:
    job = make_training(session, line)
    training_logs.keep(session, job, noted(job))

    training_logs.keep(session, job, [0.5] * len(job.training_set))

    log = session.scalars(select(TrainingLog)).one()
    assert [value for (value,) in FLOAT.iter_unpack(log.confidences)] == [0.5] * 10


def test_a_persons_rows_go_with_the_person(session: Session, dataset: Dataset, line: Model) -> None:
    parent, ada = make_trained(session, line), ordinals(session, dataset, "ada")
    job = make_job(session, parent=parent, forget=ada)
    for state in (
        JobState.ASSESSING,
        JobState.UNLEARNING,
        JobState.AUDITING,
        JobState.PUBLISHING,
    ):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    before = len(training_logs.telling(session, line.id, ada))

    version = publishing.publish_unlearned(
        session, job, route="hamu", weights_digest=digest_of(""), manifest={}, now=NOW
    )

    generation, _ = versions.last_exact(session, version)
    assert (before, training_logs.telling(session, line.id, ada)) == (1, set())
    assert training_logs.of(session, generation, ada) is None
    assert training_logs.of(session, generation, version.training_set) is not None


def test_a_retrain_ends_the_log_of_the_generation_before(session: Session, line: Model) -> None:
    parent = make_trained(session, line)
    job = make_job(session, parent=parent)
    training_logs.keep(session, job, noted(job))

    version = run_through(session, job)

    assert [log.job_id for log in session.scalars(select(TrainingLog))] == [job.id]
    assert training_logs.of(session, version, version.training_set) == noted(job)


def test_a_log_that_no_version_came_of_is_swept_away(session: Session, line: Model) -> None:
    version = make_trained(session, line)
    job = make_job(session, parent=version)
    training_logs.keep(session, job, noted(job))
    training_logs.drop_ended(session)
    under_way = count(session)

    session.refresh(job, ["model"])
    endings.cancel(session, job, now=NOW, retry_seconds=0.0)
    training_logs.drop_ended(session)

    assert (under_way, count(session)) == (2, 1)
    assert training_logs.of(session, version, version.training_set) is not None


def test_a_training_that_must_be_repeated_keeps_nothing_of_whom_it_saw(
    session: Session, line: Model
) -> None:
    job = make_training(session, line)
    session.refresh(job, ["model"])
    move(session, job, JobState.TRAINING, now=NOW)
    training_logs.keep(session, job, noted(job))
    move(session, job, JobState.PUBLISHING, now=NOW)

    make_request(session, "ada")

    assert job.state is JobState.TRAINING
    assert count(session) == 0


def test_a_request_is_not_completed_while_a_log_tells_of_its_samples(
    session: Session, dataset: Dataset, line: Model
) -> None:
    make_trained(session, line)
    ada = ordinals(session, dataset, "ada")

    left = lineage.remnants(session, {dataset.id: ada})
    training_logs.forget(session, line.id, ada)
    session.flush()

    told = "the log of a training of 'faces' still tells of its samples"
    assert told in left
    assert told not in lineage.remnants(session, {dataset.id: ada})


def test_a_training_under_way_keeps_no_request_from_being_completed(
    session: Session, dataset: Dataset, line: Model
) -> None:
    """It begins anew, and what was noted so far is gone."""
    job = make_training(session, line)
    training_logs.keep(session, job, noted(job))

    request = make_request(session, "ada")

    assert request.state is RequestState.COMPLETED_NO_DATA
    assert not job.training_set & ordinals(session, dataset, "ada")
    assert count(session) == 0
