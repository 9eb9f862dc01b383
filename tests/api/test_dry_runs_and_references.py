"""What an operator may have measured or prepared without anything being forgotten."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import datasets, dry_runs, endings, jobs, references
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Dataset, DeletionRequest, Job, Model, ModelVersion
from app.queue import RUN_JOB
from tests.api.conftest import Call, FakeQueue
from tests.factories import (
    NOW,
    announce_worker,
    make_dataset,
    make_model,
    make_request,
    make_version,
    ordinals,
    whole,
)

ASSESS, BUILD = "/v1/models/faces:assess", "/v1/models/faces:build-references"


@pytest.fixture(autouse=True)
def dataset(session: Session) -> Dataset:
    announce_worker(session)
    return make_dataset(session)


@pytest.fixture
def line(session: Session, dataset: Dataset) -> Model:
    return make_model(session, dataset)


@pytest.fixture
def live(session: Session, line: Model) -> ModelVersion:
    return make_version(session, line)


def only_job(session: Session) -> Job:
    return session.scalars(select(Job)).one()


def test_a_dry_run_measures_a_person_and_changes_nothing(
    session: Session, dataset: Dataset, live: ModelVersion, http: TestClient, queue: FakeQueue
) -> None:
    response = http.post(ASSESS, json={"subject": "ada"})

    job = only_job(session)
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/jobs/{job.id}"
    assert (job.kind, job.state, job.parent_version_id) == ("assess", "queued", live.id)
    assert job.forget_set == ordinals(session, dataset, "ada")
    assert job.training_set == live.training_set - job.forget_set
    assert queue.rung == [(RUN_JOB, job.id)]
    assert not datasets.tombstones(session, dataset.id)
    assert session.scalar(select(func.count()).select_from(DeletionRequest)) == 0


def test_a_dry_run_may_be_about_samples(
    session: Session, dataset: Dataset, live: ModelVersion, post: Call
) -> None:
    wanted = ordinals(session, dataset, "ada")
    ids = datasets.ids_of(session, dataset.id, wanted)

    post(ASSESS, sample_ids=ids[:1])

    assert list(only_job(session).forget_set) == list(wanted)[:1]


def test_dry_runs_keep_nobody_waiting(
    session: Session, line: Model, live: ModelVersion, http: TestClient, get: Call
) -> None:
    assert [http.post(ASSESS, json={"subject": "ada"}).status_code for _ in range(2)] == [202, 202]

    assert get("/v1/models/faces")["active_job"] is None
    assert jobs.active_for(session, line.id) is None


def test_only_so_many_dry_runs_of_a_model_wait_at_once(
    session: Session, live: ModelVersion, http: TestClient, refused: Call
) -> None:
    taken = [http.post(ASSESS, json={"subject": "ada"}).status_code for _ in range(dry_runs.MOST)]

    refused("POST", ASSESS, 409, "too_many_dry_runs", json={"subject": "ada"})
    first = session.scalars(select(Job).order_by(Job.created_at, Job.id).limit(1)).one()
    endings.cancel(session, first, now=NOW, retry_seconds=0.0)

    assert taken == [202] * dry_runs.MOST
    assert http.post(ASSESS, json={"subject": "ada"}).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"subject": "nobody"}, 409, "nothing_to_forget"),
        ({"sample_ids": ["no-such"]}, 422, "unknown_samples"),
        ({}, 422, "malformed"),
        ({"subject": "ada", "sample_ids": ["x"]}, 422, "malformed"),
        ({"subject": "ada", "dataset": "faces"}, 422, "malformed"),
    ],
)
def test_what_a_dry_run_cannot_be_about_is_refused(
    session: Session, live: ModelVersion, refused: Call, body: Any, status: int, code: str
) -> None:
    refused("POST", ASSESS, status, code, json=body)


def test_a_dry_run_of_everything_is_refused(
    session: Session, dataset: Dataset, line: Model, live: ModelVersion, refused: Call
) -> None:
    ids = datasets.ids_of(session, dataset.id, whole(session, line))

    refused("POST", ASSESS, 422, "covers_everything", json={"sample_ids": ids})


@pytest.mark.parametrize(("path", "body"), [(ASSESS, {"subject": "ada"}), (BUILD, None)])
def test_a_model_without_a_version_has_nothing_to_look_at(
    session: Session, line: Model, refused: Call, path: str, body: Any
) -> None:
    refused("POST", path, 409, "no_live_version", json=body)


def test_references_are_asked_for_once_and_let_people_be_forgotten_meanwhile(
    session: Session, line: Model, live: ModelVersion, http: TestClient, queue: FakeQueue
) -> None:
    response = http.post(BUILD)

    job = only_job(session)
    assert (response.status_code, job.kind) == (202, JobKind.REFERENCES)
    assert job.training_set == live.training_set
    assert queue.rung == [(RUN_JOB, job.id)]
    assert http.post(BUILD).status_code == 409
    make_request(session, "ada")
    assert jobs.active_for(session, line.id) is None


def test_references_that_are_all_there_are_not_trained_again(
    session: Session, live: ModelVersion, refused: Call
) -> None:
    for number in range(references.DESIGN.count):
        say(session, live, number)

    refused("POST", BUILD, 409, "conflict")


def test_references_come_after_all_other_work(
    session: Session, line: Model, live: ModelVersion, http: TestClient
) -> None:
    http.post(BUILD)
    http.post(ASSESS, json={"subject": "ada"})

    due = [jobs.get(session, job_id).kind for job_id in jobs.due(session, now=NOW)]

    assert due == [JobKind.ASSESS, JobKind.REFERENCES]
    building = session.scalars(select(Job).where(Job.kind == JobKind.REFERENCES)).one()
    assert jobs.others_wait(session, building, now=NOW)
    assert building.state is JobState.QUEUED


def say(session: Session, version: ModelVersion, number: int) -> None:
    references.add(
        session,
        version,
        number,
        left_out=version.training_set,
        losses=dict.fromkeys(version.training_set, float(number)),
        unseen=[0.5, 0.25],
        weights_digest="0" * 64,
        now=NOW,
    )
    session.flush()


def test_what_references_said_is_read_back_and_a_persons_part_goes(
    session: Session, dataset: Dataset, line: Model, live: ModelVersion
) -> None:
    for number in range(references.DESIGN.count):
        say(session, live, number)
    ada = ordinals(session, dataset, "ada")

    references.forget(session, line.id, ada)
    session.flush()
    steering = references.complete(session, live, judging=False)
    judging = references.complete(session, live, judging=True)

    assert [row.number for row in steering] == list(range(8))
    assert [row.number for row in judging] == list(range(8, 12))
    for row in (*steering, *judging):
        others = live.training_set - ada
        assert references.losses_of(row, live.training_set, others) == [row.number] * len(others)
        assert all(loss != loss for loss in references.losses_of(row, live.training_set, ada))
        assert row.left_out == others
        assert references.unseen_of(row) == [0.5, 0.25]


def test_an_unfinished_table_steers_nobody(session: Session, live: ModelVersion) -> None:
    for number in range(references.DESIGN.count - 1):
        say(session, live, number)

    assert len(references.complete(session, live, judging=False)) == 8
    assert references.complete(session, live, judging=True) == ()
    assert references.next_number(session, live.id) == references.DESIGN.count - 1
