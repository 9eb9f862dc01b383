from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Scope
from app.ledger import jobs
from app.ledger.states import JobState
from app.ledger.tables import ModelVersion
from app.ledger.transitions import move
from tests.api.conftest import Call
from tests.api.keys import make_key
from tests.factories import NOW, make_model, make_version

pytestmark = pytest.mark.usefixtures("keys_required")
BOTH = (Scope.REQUESTS_WRITE, Scope.MODELS_ADMIN, Scope.JOBS_APPROVE)


@pytest.fixture
def first(session: Session) -> ModelVersion:
    return make_version(session, make_model(session, approval=True))


def waiting_job(
    http: TestClient, session: Session, *, asks: dict[str, str], flushes: dict[str, str]
) -> str:
    """A job that waits for approval: who submitted its request, and who flushed."""
    http.post("/v1/deletion-requests", json={"subject": "ada"}, headers=asks)
    job_id = str(http.post("/v1/models/faces:flush", headers=flushes).json()["job"])
    job = jobs.get(session, UUID(job_id))
    job.decision = {"route": "retrain"}
    move(session, job, JobState.ASSESSING, now=NOW)
    move(session, job, JobState.AWAITING_APPROVAL, now=NOW)
    return job_id


@pytest.mark.usefixtures("first")
def test_another_person_approves(http: TestClient, session: Session) -> None:
    one, other = make_key(session, *BOTH), make_key(session, *BOTH)
    job = waiting_job(http, session, asks=one, flushes=one)

    approved = http.post(f"/v1/jobs/{job}:approve", headers=other)

    assert approved.status_code == 200
    assert approved.json()["state"] == "unlearning"


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("did", ["submitted", "flushed"])
def test_whoever_asked_for_a_job_does_not_approve_it(
    http: TestClient, session: Session, refused: Call, did: str
) -> None:
    one, other = make_key(session, *BOTH), make_key(session, *BOTH)
    asks, flushes = (one, other) if did == "submitted" else (other, one)
    job = waiting_job(http, session, asks=asks, flushes=flushes)

    refused("POST", f"/v1/jobs/{job}:approve", 403, "second_person_needed", headers=one)


@pytest.mark.usefixtures("first")
def test_a_rotated_key_is_the_same_person(
    http: TestClient, session: Session, refused: Call
) -> None:
    one, admin = make_key(session, *BOTH), make_key(session)
    job = waiting_job(http, session, asks=one, flushes=one)
    known = http.get("/v1/api-keys", headers=admin).json()
    (own,) = [key["id"] for key in known if key["prefix"] in one["Authorization"]]
    rotated = http.post(f"/v1/api-keys/{own}:rotate", headers=admin).json()["key"]

    refused(
        "POST",
        f"/v1/jobs/{job}:approve",
        403,
        "second_person_needed",
        headers={"Authorization": f"Bearer {rotated}"},
    )
