"""Idempotency-Key on what makes jobs, and on a person's word that lets one go on."""

import hashlib
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.evidence.canonical import canonical
from app.ledger import jobs
from app.ledger.states import JobState
from app.ledger.tables import IdempotencyKey, Job
from app.ledger.transitions import move
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.repeating import KEY, stated
from tests.factories import (
    NOW,
    announce_worker,
    make_dataset,
    make_model,
    make_request,
    make_version,
)

ASSESS, FLUSH = "/v1/models/faces:assess", "/v1/models/faces:flush"
MAKING: dict[str, Any] = {
    "/v1/models/ears:train": None,
    "/v1/models/faces:build-references": None,
    "/v1/models/faces:calibrate": None,
    ASSESS: {"subject": "ada"},
    FLUSH: None,
}


@pytest.fixture(autouse=True)
def world(session: Session) -> None:
    """A model with a version, one without, and somebody who is to be forgotten."""
    announce_worker(session)
    dataset = make_dataset(session)
    make_version(session, make_model(session, dataset))
    make_model(session, dataset, "ears")
    make_request(session, "ben")


def made(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(Job)).one()


@pytest.mark.parametrize(("path", "body"), MAKING.items(), ids=MAKING)
def test_a_job_is_made_once_for_a_key_whatever_became_of_it(
    session: Session, http: TestClient, queue: FakeQueue, clock: Clock, path: str, body: Any
) -> None:
    first = http.post(path, json=body, headers=KEY)
    assert first.is_success, first.text
    job_id = first.json().get("id") or first.json()["job"]
    http.post(f"/v1/jobs/{job_id}:cancel")  # from here on the state would allow another
    rung, entries = list(queue.rung), stated(session)
    clock.pass_by(60)

    second = http.post(path, json=body, headers=KEY)

    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers.get("location") == first.headers.get("location")
    assert [row_id for _, row_id in rung] == [UUID(job_id)]
    assert (queue.rung, stated(session), made(session)) == (rung, entries, 1)


@pytest.mark.parametrize("path", sorted(MAKING.keys() - {FLUSH}))
def test_a_repetition_says_where_the_job_is(http: TestClient, path: str) -> None:
    answers = [http.post(path, json=MAKING[path], headers=KEY) for _ in range(2)]

    places = {answer.headers["location"] for answer in answers}
    assert places == {f"/v1/jobs/{answers[0].json()['id']}"}


def test_without_a_key_each_dry_run_counts(session: Session, post: Call) -> None:
    for _ in range(2):
        post(ASSESS, subject="ada")

    assert made(session) == 2


def test_a_dry_run_about_somebody_else_needs_another_key(
    session: Session, http: TestClient, refused: Call
) -> None:
    http.post(ASSESS, json={"subject": "ada"}, headers=KEY)

    same = http.post(ASSESS, json={"subject": " ADA"}, headers=KEY)

    assert same.status_code == 202
    for other in ({"subject": "eve"}, {"sample_ids": ["ada-0", "ada-1"]}):
        refused("POST", ASSESS, 422, "idempotency_key_reused", json=other, headers=KEY)
    assert made(session) == 1


@pytest.mark.parametrize("path", MAKING)
def test_a_malformed_key_makes_no_job(session: Session, refused: Call, path: str) -> None:
    short = {"Idempotency-Key": "short"}

    refused("POST", path, 400, "bad_idempotency_key", json=MAKING[path], headers=short)

    assert made(session) == 0


def test_what_is_kept_of_a_dry_run_does_not_give_the_person_away(
    session: Session, http: TestClient
) -> None:
    http.post(ASSESS, json={"subject": "ada"}, headers=KEY)

    kept = session.scalars(select(IdempotencyKey)).one()

    guess = canonical({"subject": "ada", "sample_ids": None})
    assert kept.fingerprint != hashlib.sha256(guess).digest()


def test_an_approval_that_is_sent_again_is_not_taken_for_the_next_one(
    session: Session, http: TestClient, queue: FakeQueue, refused: Call
) -> None:
    job = jobs.get(session, UUID(http.post(FLUSH).json()["job"]))
    job.decision = {"route": "retrain"}
    for state in (JobState.ASSESSING, JobState.AWAITING_APPROVAL):
        move(session, job, state, now=NOW)
    approve = f"/v1/jobs/{job.id}:approve"
    first = http.post(approve, headers=KEY)
    session.refresh(job)
    job.audit = {"verdict": "inconclusive"}
    for state in (JobState.AUDITING, JobState.AWAITING_APPROVAL):
        move(session, job, state, now=NOW)
    rung, entries = list(queue.rung), stated(session)

    second = http.post(approve, headers=KEY)

    assert (second.status_code, second.json()) == (200, first.json())
    assert (queue.rung, stated(session)) == (rung, entries)
    session.refresh(job)
    assert job.state is JobState.AWAITING_APPROVAL
    assert http.post(approve).json()["state"] == "publishing"  # without it, it is
