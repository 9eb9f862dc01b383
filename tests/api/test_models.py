"""Registering a model, and what may be read of it and done to it afterwards."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api.policies import PolicyFields
from app.bitmap import Bitmap
from app.ledger.policy import Policy
from app.ledger.tables import Dataset, Job, Model
from app.queue import RUN_JOB
from models.decision_terms import Route
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import (
    NOW,
    announce_worker,
    make_dataset,
    make_erasure,
    make_model,
    make_request,
    make_training,
    make_version,
    ordinals,
)

PATH = "/v1/models"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def dataset(session: Session) -> Dataset:
    """Five people with two samples each, and a worker that can train on them."""
    announce_worker(session)
    return make_dataset(session)


def wanted(**differences: Any) -> dict[str, Any]:
    """The body that registers a model."""
    return {"name": "faces", "recipe": "tiny", "dataset": "faces"} | differences


def only_job(session: Session) -> Job:
    return session.scalars(select(Job)).one()


def test_a_registered_model_is_trained_on_the_whole_dataset(
    session: Session, http: TestClient, queue: FakeQueue
) -> None:
    response = http.post(PATH, json=wanted())

    assert response.status_code == 201
    job = only_job(session)
    assert response.json() == {
        "name": "faces",
        "recipe": "tiny",
        "dataset": "faces",
        "policy": asdict(Policy()),
        "live": None,
        "active_job": str(job.id),
        "created_at": "2026-03-02T12:00:00Z",
    }
    assert (job.kind, job.state, job.training_set) == ("train", "queued", Bitmap(range(10)))
    assert queue.rung == [(RUN_JOB, job.id)]


def test_what_was_registered_can_be_read_and_listed(post: Call, get: Call) -> None:
    faces = post(PATH, **wanted())
    ears = post(PATH, **wanted(name="ears"))

    assert get(f"{PATH}/faces") == faces
    assert get(PATH) == [ears, faces]


def test_a_model_whose_weights_will_be_uploaded_is_not_trained(
    session: Session, post: Call, queue: FakeQueue
) -> None:
    make_dataset(session, "voices", people=[])

    answer = post(PATH, **wanted(dataset="voices", train=False))

    assert (answer["active_job"], queue.rung) == (None, [])
    assert session.scalars(select(Job)).all() == []


def test_forgotten_samples_are_kept_out_of_the_training_set(
    session: Session, dataset: Dataset, post: Call
) -> None:
    make_request(session, "ben", "zoe")

    post(PATH, **wanted())

    assert only_job(session).training_set == ordinals(session, dataset, "ada", "eve", "kim")


@pytest.mark.parametrize("people", [[], ["mia"]])
def test_without_samples_to_train_on_nothing_is_registered(
    session: Session, refused: Call, queue: FakeQueue, people: list[str]
) -> None:
    make_dataset(session, "voices", people=people)
    make_request(session, "mia")  # and what was there is to be forgotten

    problem = refused(
        "POST", PATH, 422, "empty_training_set", json=wanted(name="speech", dataset="voices")
    )

    assert "'voices'" in problem["detail"]
    assert session.scalars(select(Model)).all() == []
    assert queue.rung == []


def test_an_unknown_recipe_is_refused_with_those_that_live_workers_announce(
    session: Session, refused: Call
) -> None:
    announce_worker(session, "second", recipe="blobs")
    announce_worker(session, "gone", recipe="digits", now=NOW - timedelta(seconds=31))

    problem = refused("POST", PATH, 422, "unknown_recipe", json=wanted(recipe="digits"))

    assert problem["detail"].endswith("'digits'; announced are: blobs, tiny")
    assert [place["pointer"] for place in problem["errors"]] == ["/recipe"]
    assert session.scalars(select(Model)).all() == []


def test_while_no_worker_is_alive_no_recipe_is_taken(clock: Clock, refused: Call) -> None:
    clock.pass_by(31)

    problem = refused("POST", PATH, 409, "worker_absent", json=wanted())

    assert "start one and retry" in problem["detail"]


def test_an_unknown_dataset_is_refused(refused: Call) -> None:
    problem = refused("POST", PATH, 404, "unknown_dataset", json=wanted(dataset="voices"))

    assert "'voices'" in problem["detail"]


def test_a_name_is_taken_once(session: Session, post: Call, refused: Call) -> None:
    make_dataset(session, "voices", people=["mia"])
    first = post(PATH, **wanted())

    problem = refused("POST", PATH, 409, "name_taken", json=wanted(dataset="voices"))

    assert "'faces'" in problem["detail"]
    assert str(only_job(session).id) == first["active_job"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (wanted(name=""), "/name"),
        (wanted(name="Faces"), "/name"),
        (wanted(name="-faces"), "/name"),
        (wanted(name="faces\n"), "/name"),
        (wanted(name="a/b"), "/name"),
        (wanted(name="a:flush"), "/name"),
        (wanted(name="a" * 64), "/name"),
        (wanted(name=None), "/name"),
        (wanted(recipe=7), "/recipe"),
        (wanted(dataset=["faces"]), "/dataset"),
        (wanted(train="perhaps"), "/train"),
        (wanted(trian=False), "/trian"),
        (wanted(policy=None), "/policy"),
        ({"name": "faces", "recipe": "tiny"}, "/dataset"),
    ],
)
def test_a_malformed_registration_is_refused(
    session: Session, refused: Call, body: Any, pointer: str
) -> None:
    problem = refused("POST", PATH, 422, "malformed", json=body)

    assert [place["pointer"] for place in problem["errors"]] == [pointer]
    assert session.scalars(select(Model)).all() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_wait_seconds", -1),
        ("max_wait_seconds", "soon"),
        ("max_wait_seconds", float("inf")),
        ("max_wait_seconds", float("nan")),
        ("due_margin_seconds", 10 * 365 * 86_400 + 1),
        ("reference_seconds", None),
        ("purge_after_seconds", -0.5),
        ("max_samples", 0),
        ("max_samples", 2**31),
        ("min_subjects", 0),
        ("min_subjects", 1.5),
        ("max_rounds", -1),
        ("max_forgotten_share", 1.01),
        ("max_forgotten_share", -0.01),
        ("canary_share", 0.51),
        ("oracle_share", 1.01),
        ("route", "scrub"),
        ("route", "none"),
        ("on_inconclusive", "pass"),
        ("approval", "perhaps"),
        ("max_wait", 5),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(refused: Call, field: str, value: Any) -> None:
    content = json.dumps(wanted(policy={field: value}))

    problem = refused("POST", PATH, 422, "malformed", content=content, headers=JSON)

    assert [place["pointer"] for place in problem["errors"]] == [f"/policy/{field}"]


def test_a_policy_is_kept_as_it_was_given(post: Call, get: Call) -> None:
    policy = {
        "max_wait_seconds": 0.0,
        "max_samples": 1,
        "min_subjects": 2**31 - 1,
        "due_margin_seconds": 315_360_000.0,
        "route": "nabla_tau",
        "restart": "exact",
        "approval": True,
        "on_inconclusive": "approve",
        "reference_seconds": 0.5,
        "max_rounds": 0,
        "max_forgotten_share": 1.0,
        "canary_share": 0.25,
        "oracle_share": 0.05,
        "purge_after_seconds": 60.0,
    }

    post(PATH, **wanted(policy=policy))

    assert get(f"{PATH}/faces")["policy"] == policy


@pytest.mark.parametrize("route", [*Route, "auto"])
def test_a_policy_can_order_every_route_but_to_do_nothing(http: TestClient, route: str) -> None:
    answer = http.post(PATH, json=wanted(policy={"route": route}))

    assert answer.status_code == (422 if route == Route.NONE else 201)
    if answer.is_success:
        assert answer.json()["policy"]["route"] == route


def test_the_defaults_that_are_documented_are_those_of_the_ledger() -> None:
    assert PolicyFields().model_dump() == asdict(Policy())


def test_a_model_is_shown_with_its_live_version_and_its_active_job(
    session: Session, dataset: Dataset, get: Call
) -> None:
    line = make_model(session, dataset)
    make_version(session, line)
    live = make_version(session, line)
    job = make_training(session, line)

    model = get(f"{PATH}/faces")

    assert (model["live"]["number"], model["live"]["id"]) == (2, str(live.id))
    assert model["active_job"] == str(job.id)


def test_a_flush_makes_a_job_before_the_policy_would(
    session: Session, dataset: Dataset, post: Call, queue: FakeQueue
) -> None:
    make_version(session, make_model(session, dataset, max_wait_seconds=1e6))
    erasure = make_erasure(session, "ada")

    answer = post(f"{PATH}/faces:flush")

    job = only_job(session)
    session.refresh(erasure)
    assert answer == {"job": str(job.id)}
    assert (erasure.job_id, job.forget_set) == (job.id, Bitmap([0, 1]))
    assert queue.rung == [(RUN_JOB, job.id)]


def test_a_flush_of_nothing_makes_nothing(
    session: Session, dataset: Dataset, post: Call, queue: FakeQueue
) -> None:
    make_version(session, make_model(session, dataset))

    assert post(f"{PATH}/faces:flush") == {"job": None}
    assert queue.rung == []


def test_a_flush_waits_for_the_active_job(post: Call, refused: Call) -> None:
    active = post(PATH, **wanted())["active_job"]

    problem = refused("POST", f"{PATH}/faces:flush", 409, "conflict")

    assert active in problem["detail"]
