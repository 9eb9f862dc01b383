"""Pausing, draining and resuming a worker over HTTP."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger.log_tables import LedgerEntry
from tests.factories import announce_worker, claim, make_training

NAME = "worker1@host"


def modes(http: TestClient) -> dict[str, str]:
    return {worker["name"]: worker["mode"] for worker in http.get("/v1/workers").json()}


@pytest.mark.parametrize(("verb", "mode"), [("pause", "paused"), ("drain", "draining")])
def test_a_worker_that_was_told_something_shows_it_until_it_is_resumed(
    http: TestClient, session: Session, verb: str, mode: str
) -> None:
    announce_worker(session, NAME)
    announce_worker(session, "worker2@host")

    told = http.post(f"/v1/workers/{NAME}:{verb}")

    assert (told.status_code, told.json()) == (200, {"name": NAME, "mode": mode})
    assert modes(http) == {NAME: mode, "worker2@host": "working"}
    assert http.post(f"/v1/workers/{NAME}:resume").json() == {"name": NAME, "mode": "working"}
    assert modes(http)[NAME] == "working"
    kinds = session.scalars(select(LedgerEntry.kind).where(LedgerEntry.machine == "worker"))
    assert list(kinds) == [f"worker.{mode}", "worker.resumed"]


def test_a_worker_shows_the_job_that_it_holds(http: TestClient, session: Session) -> None:
    announce_worker(session, NAME)
    job = make_training(session)
    claim(session, job, worker=NAME)

    (worker,) = http.get("/v1/workers").json()

    assert worker["job"] == str(job.id)


@pytest.mark.parametrize("verb", ["pause", "drain", "resume"])
def test_nobody_can_tell_a_worker_that_never_was_anything(http: TestClient, verb: str) -> None:
    refused = http.post(f"/v1/workers/nobody:{verb}")

    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_worker")


def test_resuming_a_worker_that_works_states_nothing(http: TestClient, session: Session) -> None:
    announce_worker(session, NAME)

    http.post(f"/v1/workers/{NAME}:resume")

    assert session.scalars(select(LedgerEntry).where(LedgerEntry.machine == "worker")).all() == []


def test_saying_the_same_again_states_nothing(http: TestClient, session: Session) -> None:
    announce_worker(session, NAME)

    for verb in ("pause", "pause", "drain", "drain", "pause", "resume", "resume"):
        assert http.post(f"/v1/workers/{NAME}:{verb}").status_code == 200

    kinds = session.scalars(select(LedgerEntry.kind).where(LedgerEntry.machine == "worker"))
    assert sorted(kinds) == sorted(
        ["worker.paused", "worker.draining", "worker.paused", "worker.resumed"]
    )
