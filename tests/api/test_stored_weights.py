"""Weights of jobs that are no version's are told of, by the samples they have seen."""

import pytest
from sqlalchemy.orm import Session

from app.ledger import batching, jobs, stored_weights
from app.ledger.states import JobState
from app.ledger.tables import Job, Model
from tests import factories
from tests.api.conftest import Call
from tests.factories import NOW, digest_of

PATH = "/v1/models/faces/stored-weights"


@pytest.fixture
def line(session: Session) -> Model:
    """A model with a version that has seen everybody."""
    line = factories.make_model(session)
    factories.make_version(session, line)
    return line


@pytest.fixture
def job(session: Session, line: Model) -> Job:
    """A job that makes it forget Ada."""
    factories.make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return job


def store(session: Session, job: Job, made_by: str) -> None:
    stored_weights.own(session, job, digest_of(made_by), made_by=made_by, now=NOW)


def seen(get: Call, sample: str) -> dict[str, str]:
    """By what made them: how weights have to do with a sample."""
    return {each["made_by"]: each["saw"] for each in get(PATH, saw_sample=sample)}


def test_they_saw_what_they_were_trained_on_and_descend_from_what_their_parent_saw(
    get: Call, session: Session, job: Job
) -> None:
    store(session, job, "hamu")
    store(session, job, "retrain")

    assert seen(get, "ben-0") == {"hamu": "trained_on", "retrain": "trained_on"}
    assert seen(get, "ada-0") == {"hamu": "descended"}


def test_it_is_told_whose_they_are_and_whether_they_are_still_needed(
    get: Call, session: Session, job: Job
) -> None:
    store(session, job, "hamu")
    (under_way,) = get(PATH, saw_sample="ben-0")
    jobs.finish(session, job, JobState.CANCELLED, now=NOW)

    (released,) = get(PATH, saw_sample="ben-0")

    assert under_way == {
        "weights_digest": digest_of("hamu"),
        "job_id": str(job.id),
        "made_by": "hamu",
        "training_set_size": 8,
        "stored_at": "2026-03-02T12:00:00Z",
        "released_at": None,
        "saw": "trained_on",
    }
    assert released == under_way | {"released_at": "2026-03-02T12:00:00Z"}


def test_what_was_published_or_removed_is_no_longer_told(
    get: Call, session: Session, job: Job
) -> None:
    store(session, job, "hamu")
    store(session, job, "retrain")
    factories.run_through(session, job, weights="retrain")
    ((row_id, _),) = stored_weights.released(session)
    row = stored_weights.lock_released(session, row_id)
    assert row is not None

    before = seen(get, "ben-0")
    stored_weights.removed(session, row, kept=False, now=NOW)

    assert (before, seen(get, "ben-0")) == ({"hamu": "trained_on"}, {})


def test_an_unknown_sample_or_model_is_refused(refused: Call, line: Model) -> None:
    refused("GET", f"{PATH}?saw_sample=nobody-7", 422, "unknown_samples")
    refused("GET", "/v1/models/x/stored-weights?saw_sample=ada-0", 404, "unknown_model")
    refused("GET", PATH, 422, "malformed")
