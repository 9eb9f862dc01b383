"""A model whose first training came to nothing is trained again."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import endings, jobs
from app.ledger.states import JobState
from app.ledger.tables import Dataset, Job, Model
from app.queue import RUN_JOB
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import (
    NOW,
    announce_worker,
    claim,
    grow,
    make_dataset,
    make_model,
    make_request,
    make_training,
    make_version,
    ordinals,
)

TRAIN = "/v1/models/faces:train"
UNKNOWN = {
    "code": "unknown_to_recipe",
    "detail": "the recipe 'tiny' does not know 10 of the job's 10 samples",
    "final": True,
}


@pytest.fixture(autouse=True)
def dataset(session: Session) -> Dataset:
    """Five people with two samples each, and a worker that can train on them."""
    announce_worker(session)
    return make_dataset(session)


@pytest.fixture
def line(session: Session, dataset: Dataset) -> Model:
    """A model without a version."""
    return make_model(session, dataset)


def fail(session: Session, job: Job, error: dict[str, Any] = UNKNOWN) -> None:
    """A worker takes the job up, and what it finds no repetition makes right."""
    assert claim(session, job) is not None
    endings.fail_attempt(session, job, error, now=NOW, max_attempts=5, retry_seconds=300)


def cancel(session: Session, job: Job) -> None:
    endings.ask_to_cancel(session, job, now=NOW, retry_seconds=300)


@pytest.mark.parametrize("come_to_nothing", [fail, cancel])
def test_a_training_that_came_to_nothing_is_repeated(
    session: Session,
    line: Model,
    http: TestClient,
    get: Call,
    queue: FakeQueue,
    come_to_nothing: Any,
) -> None:
    first = make_training(session, line)
    come_to_nothing(session, first)

    response = http.post(TRAIN)

    again = session.scalars(select(Job).where(Job.id != first.id)).one()
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/jobs/{again.id}"
    assert response.json() == get(response.headers["location"])
    assert (again.kind, again.state, again.training_set) == ("train", "queued", first.training_set)
    assert get("/v1/models/faces")["active_job"] == str(again.id)
    assert queue.rung == [(RUN_JOB, again.id)]


def test_the_training_set_is_what_the_dataset_holds_by_now_less_what_was_forgotten(
    session: Session, dataset: Dataset, line: Model, post: Call
) -> None:
    cancel(session, make_training(session, line))
    grow(session, dataset, "mia")
    make_request(session, "ben", "zoe")

    job_id = post(TRAIN)["id"]

    assert jobs.get(session, job_id).training_set == ordinals(
        session, dataset, "ada", "eve", "kim", "mia"
    )


def test_a_model_that_was_never_trained_can_be(line: Model, post: Call) -> None:
    job = post(TRAIN)

    assert (job["model"], job["kind"], job["retain_count"]) == ("faces", "train", 10)


def test_while_a_job_is_active_no_other_training_begins(
    session: Session, line: Model, post: Call, refused: Call, queue: FakeQueue
) -> None:
    active = post(TRAIN)["id"]

    problem = refused("POST", TRAIN, 409, "conflict")

    assert active in problem["detail"]
    assert [str(row_id) for _, row_id in queue.rung] == [active]
    assert [str(job.id) for job in session.scalars(select(Job))] == [active]


def test_a_model_with_a_live_version_is_not_trained_again(
    session: Session, line: Model, refused: Call
) -> None:
    make_version(session, line)

    problem = refused("POST", TRAIN, 409, "already_trained")

    assert problem["detail"].startswith("version 1 of 'faces' is live")
    assert session.scalars(select(Job)).all() == []


def test_where_all_was_forgotten_there_is_nothing_to_train_on(
    session: Session, refused: Call
) -> None:
    make_model(session, make_dataset(session, "voices", people=["mia"]), "speech")
    make_request(session, "mia")

    problem = refused("POST", "/v1/models/speech:train", 422, "empty_training_set")

    assert "'voices'" in problem["detail"]


def test_a_training_needs_a_worker(line: Model, clock: Clock, refused: Call) -> None:
    clock.pass_by(31)

    refused("POST", TRAIN, 409, "worker_absent")


def test_a_training_needs_a_worker_that_knows_the_recipe(
    session: Session, line: Model, refused: Call
) -> None:
    announce_worker(session, recipe="blobs")

    refused("POST", TRAIN, 422, "unknown_recipe")


def test_a_model_that_is_not_there_cannot_be_trained(refused: Call) -> None:
    refused("POST", "/v1/models/ears:train", 404, "unknown_model")


def test_samples_that_the_recipe_does_not_know_fail_the_job_and_the_reason_is_shown(
    session: Session, line: Model, get: Call
) -> None:
    """Only a worker knows the ids of a recipe's data, so the answer to a POST cannot tell."""
    job = make_training(session, line)

    fail(session, job)

    seen = get(f"/v1/jobs/{job.id}")
    assert (seen["state"], seen["error"]) == (JobState.FAILED, UNKNOWN)
    assert get(f"/v1/jobs/{job.id}/report")["job"]["failure"]["code"] == "unknown_to_recipe"
    model = get("/v1/models/faces")
    assert (model["live"], model["active_job"]) == (None, None)


@pytest.mark.parametrize("come_to_nothing", [fail, cancel])
def test_the_report_of_a_training_that_came_to_nothing_says_how_to_repeat_it(
    session: Session, line: Model, http: TestClient, come_to_nothing: Any
) -> None:
    job = make_training(session, line)
    come_to_nothing(session, job)

    page = http.get(f"/v1/jobs/{job.id}/report", headers={"Accept": "text/html"}).text

    assert "To train the model again: POST /v1/models/faces:train." in page
