"""Asking for a calibration, and reading what it costs and what it taught."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import calibrations, jobs
from app.ledger.calibrations import CELLS
from app.ledger.log_tables import LedgerEntry
from app.ledger.states import JobKind
from app.ledger.tables import Dataset, Job, Model, ModelVersion
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
)

ASK, READ = "/v1/models/faces:calibrate", "/v1/models/faces/calibration"
TAUGHT = {
    "rule": "matched",
    "stratum_share": 0.1,
    "memorized_share": None,
    "exposed_share": None,
    "precedents": [
        {"share": 0.01, "escalated": False, "unlearn": 0.1},
        {"share": 0.05, "escalated": True, "unlearn": 0.3},
    ],
}


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
    """With its model, as a worker that holds it has it."""
    job = session.scalars(select(Job)).one()
    session.refresh(job, ["model"])
    return job


def outcome(**changed: Any) -> dict[str, Any]:
    return {
        "samples": 4,
        "method": "hamu",
        "verdict": "pass",
        "gaps": {"forget": 0.1, "retain": 0.0, "test": -0.01, "forget_loss": 0.2},
        "seconds": {"assess": 0.1, "retrain": 2.0, "unlearn": 0.3, "audit": 0.1},
        "hardness": {"memorization": {"share": 0.5}, "shares": {"strata": {"0": 0.2, "1": 0.4}}},
    } | changed


def test_a_calibration_is_asked_for_once_and_lets_people_be_forgotten_meanwhile(
    session: Session, line: Model, live: ModelVersion, http: TestClient, queue: FakeQueue
) -> None:
    response = http.post(ASK)

    job = only_job(session)
    assert (response.status_code, job.kind) == (202, JobKind.CALIBRATE)
    assert response.headers["location"] == f"/v1/jobs/{job.id}"
    assert (job.training_set, len(job.forget_set)) == (live.training_set, 0)
    assert queue.rung == [(RUN_JOB, job.id)]
    assert http.post(ASK).status_code == 409
    make_request(session, "ada")
    assert jobs.active_for(session, line.id) is None


def test_a_calibration_and_references_are_both_made_when_nothing_else_is_due(
    session: Session, live: ModelVersion, http: TestClient
) -> None:
    paths = (ASK, "/v1/models/faces:build-references", "/v1/models/faces:assess")
    asked = [http.post(path, json={"subject": "ada"}).status_code for path in paths]

    due = [jobs.get(session, job_id).kind for job_id in jobs.due(session, now=NOW)]

    assert asked == [202, 202, 202]
    assert due[0] is JobKind.ASSESS
    assert set(due[1:]) == {JobKind.CALIBRATE, JobKind.REFERENCES}


def test_a_model_without_a_version_cannot_be_calibrated(line: Model, refused: Call) -> None:
    refused("POST", ASK, 409, "no_live_version")


def test_a_model_that_is_always_retrained_needs_no_calibration(
    session: Session, dataset: Dataset, refused: Call
) -> None:
    make_version(session, make_model(session, dataset, "exact", route="retrain"))

    refused("POST", "/v1/models/exact:calibrate", 409, "conflict")


def test_what_a_calibration_costs_is_said_before_it_is_asked_for(
    session: Session, line: Model, live: ModelVersion, get: Call
) -> None:
    unknown = get(READ)
    live.manifest = {"train_seconds": 10.0, "train_samples": 10}
    session.flush()

    assert unknown["plan"] == {"trials": 8, "retrains": 9.0, "seconds": None}
    assert get(READ)["plan"]["seconds"] == 90.0
    assert (unknown["job"], unknown["cells"], unknown["taught"]) == (None, [], None)


def test_a_calibration_of_rum_costs_more(session: Session, dataset: Dataset, get: Call) -> None:
    make_version(session, make_model(session, dataset, "refined", route="rum"))

    assert get("/v1/models/refined/calibration")["plan"]["retrains"] == pytest.approx(8 * 1.9)


def test_trials_are_shown_as_they_are_made_and_what_they_taught_in_the_end(
    session: Session, line: Model, live: ModelVersion, http: TestClient, get: Call
) -> None:
    http.post(ASK)
    job = only_job(session)
    calibrations.add(session, job, 0, outcome(), now=NOW)
    diverged = outcome(verdict="diverged", gaps=None)
    calibrations.add(session, job, 7, diverged, now=NOW)
    session.flush()
    under_way = get(READ)

    calibrations.learn(session, job, method="hamu", taught=TAUGHT, now=NOW)
    session.flush()

    first, last = under_way["cells"]
    assert (first["share"], first["memorized"], first["skewed"]) == (0.01, False, False)
    assert (last["share"], last["memorized"], last["skewed"]) == (0.05, True, True)
    assert (first["memorized_share"], first["stratum_share"]) == (0.5, 0.4)
    assert (first["version"], last["gaps"], under_way["taught"]) == (1, None, None)
    assert calibrations.next_number(session, job.id) == 1
    taught = get(READ)["taught"]
    assert {name: taught[name] for name in TAUGHT} == TAUGHT
    entry = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "model.calibrated")).one()
    assert entry.row_id == line.id


def test_a_later_calibration_replaces_an_earlier_one(
    session: Session, live: ModelVersion, http: TestClient, get: Call
) -> None:
    http.post(ASK)
    job = only_job(session)
    calibrations.learn(session, job, method="hamu", taught=TAUGHT, now=NOW)
    calibrations.learn(
        session, job, method="nabla_tau", taught=TAUGHT | {"stratum_share": 0.7}, now=NOW
    )
    session.flush()

    taught = get(READ)["taught"]

    assert (taught["method"], taught["stratum_share"]) == ("nabla_tau", 0.7)


def test_trials_never_see_whom_a_request_names(
    session: Session, dataset: Dataset, live: ModelVersion, http: TestClient
) -> None:
    http.post(ASK)
    job = only_job(session)

    make_request(session, "ada")
    calibrations.follow(session, job)

    assert job.training_set == live.training_set - ordinals(session, dataset, "ada")
    assert job.parent_version_id == live.id


def test_there_is_a_trial_for_every_size_kind_and_skew() -> None:
    assert len(set(CELLS)) == len(CELLS) == 8
    assert {kind.share for kind in CELLS} == {0.01, 0.05}
