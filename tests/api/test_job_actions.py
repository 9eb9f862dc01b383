"""What a person may say to a job, and what a job says of itself."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, datasets, jobs
from app.ledger.states import JobState
from app.ledger.tables import Job, ModelVersion
from app.ledger.transitions import move
from app.queue import RUN_JOB
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import NOW, claim, make_job, make_request, make_training, make_version
from tests.naming import names

PATH = "/v1/jobs"
REQUESTS = "/v1/deletion-requests"
HAMU: dict[str, Any] = {"route": "hamu", "reasons": ["cheaper than a retrain"]}
NOTHING: dict[str, Any] = {"route": "none", "reasons": ["never seen"]}

# How a job comes to each state, from `queued`.
WAYS: dict[JobState, list[JobState]] = {
    JobState.QUEUED: [],
    JobState.ASSESSING: [JobState.ASSESSING],
    JobState.AWAITING_APPROVAL: [JobState.ASSESSING, JobState.AWAITING_APPROVAL],
    JobState.UNLEARNING: [JobState.ASSESSING, JobState.UNLEARNING],
    JobState.AUDITING: [JobState.ASSESSING, JobState.AUDITING],
    JobState.PUBLISHING: [JobState.ASSESSING, JobState.AUDITING, JobState.PUBLISHING],
    JobState.SUCCEEDED: [
        JobState.ASSESSING,
        JobState.AUDITING,
        JobState.PUBLISHING,
        JobState.SUCCEEDED,
    ],
    JobState.FAILED: [JobState.FAILED],
    JobState.CANCELLED: [JobState.CANCELLED],
}
CANCELLABLE = [
    JobState.QUEUED,
    JobState.ASSESSING,
    JobState.AWAITING_APPROVAL,
    JobState.UNLEARNING,
    JobState.AUDITING,
]


@pytest.fixture
def live(session: Session) -> ModelVersion:
    return make_version(session)


def job_in(session: Session, state: JobState) -> Job:
    """A job that was brought to this state, held by no worker."""
    job = make_job(session)
    for step in WAYS[state]:
        move(session, job, step, now=NOW)
    return job


def waiting(session: Session, decision: dict[str, Any], audit: dict[str, Any] | None = None) -> Job:
    """A job that waits for a person after its decision, or after its audit."""
    job = job_in(session, JobState.AWAITING_APPROVAL)
    job.decision, job.audit = decision, audit
    job.attempt = 3
    return job


def batched(session: Session, live: ModelVersion, *people: str) -> Job:
    """The job that these people's requests become."""
    for person in people:
        make_request(session, person)
    job = batching.batch(session, live.model_id, now=NOW, flush=True)
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("decision", "audit", "following"),
    [
        (HAMU, None, "unlearning"),
        (NOTHING, None, "auditing"),
        (HAMU, {"verdict": "inconclusive"}, "publishing"),
    ],
)
def test_an_approved_job_goes_on_where_it_stopped(
    session: Session,
    post: Call,
    queue: FakeQueue,
    decision: dict[str, Any],
    audit: dict[str, Any] | None,
    following: str,
) -> None:
    job = waiting(session, decision, audit)

    answer = post(f"{PATH}/{job.id}:approve")

    assert (answer["state"], answer["attempt"]) == (following, 0)
    assert answer["decision"] == decision
    assert queue.rung == [(RUN_JOB, job.id)]


@pytest.mark.parametrize("state", [state for state in WAYS if state != "awaiting_approval"])
def test_only_a_job_that_waits_can_be_approved(
    session: Session, refused: Call, queue: FakeQueue, state: JobState
) -> None:
    job = job_in(session, state)

    problem = refused("POST", f"{PATH}/{job.id}:approve", 409, "illegal_transition")

    assert problem["detail"] == f"job {job.id} is {state}; it does not wait for approval"
    assert queue.rung == []


def test_a_job_is_approved_once(session: Session, post: Call, refused: Call) -> None:
    job = waiting(session, HAMU)
    post(f"{PATH}/{job.id}:approve")

    refused("POST", f"{PATH}/{job.id}:approve", 409, "illegal_transition")


@pytest.mark.parametrize("state", CANCELLABLE)
def test_a_job_that_nobody_works_on_is_cancelled_at_once(
    session: Session, post: Call, state: JobState
) -> None:
    job = job_in(session, state)

    answer = post(f"{PATH}/{job.id}:cancel")

    assert (answer["state"], answer["finished_at"]) == ("cancelled", "2026-03-02T12:00:00Z")


@pytest.mark.parametrize("state", [state for state in WAYS if state not in CANCELLABLE])
def test_a_job_that_publishes_or_has_ended_cannot_be_cancelled(
    session: Session, refused: Call, state: JobState
) -> None:
    job = job_in(session, state)

    problem = refused("POST", f"{PATH}/{job.id}:cancel", 409, "illegal_transition")

    assert problem["detail"] == f"job {job.id} is {state}; it can no longer be cancelled"


def test_a_cancelled_training_leaves_a_model_without_a_version(
    session: Session, post: Call, get: Call
) -> None:
    job = make_training(session)

    post(f"{PATH}/{job.id}:cancel")

    model = get("/v1/models/faces")
    assert (model["live"], model["active_job"]) == (None, None)


def test_a_job_under_way_is_left_to_its_worker_until_the_lease_ends(
    session: Session, live: ModelVersion, clock: Clock, post: Call, get: Call
) -> None:
    job = batched(session, live, "ada")
    claim(session, job, lease=30)

    asked = post(f"{PATH}/{job.id}:cancel")
    session.refresh(job)
    request = get(REQUESTS)["items"][0]
    clock.pass_by(31)
    cancelled = post(f"{PATH}/{job.id}:cancel")

    assert (asked["state"], job.cancel_asked_at) == ("queued", NOW)
    assert request["erasures"][0]["state"] == "batched"
    assert cancelled["state"] == "cancelled"


def test_a_cancelled_job_gives_its_erasures_back(
    session: Session, live: ModelVersion, post: Call, get: Call
) -> None:
    job = batched(session, live, "ada", "ben")

    post(f"{PATH}/{job.id}:cancel")

    for request in get(REQUESTS)["items"]:
        (erasure,) = request["erasures"]
        assert (request["state"], request["finished_at"]) == ("accepted", None)
        assert (erasure["state"], erasure["job_id"]) == ("pending", None)
    assert get("/v1/models/faces")["active_job"] is None
    faces = datasets.get(session, "faces")
    assert list(datasets.tombstones(session, faces.id)) == [0, 1, 2, 3]


def test_erasures_that_were_given_back_wait_unless_they_are_flushed(
    session: Session, live: ModelVersion, clock: Clock, post: Call, get: Call
) -> None:
    first = batched(session, live, "ada", "ben")
    post(f"{PATH}/{first.id}:cancel")

    clock.pass_by(299)
    by_itself = batching.batch(session, live.model_id, now=clock.now)
    flushed = post("/v1/models/faces:flush")

    assert by_itself is None
    assert flushed["job"] not in (None, str(first.id))
    assert get(f"{PATH}/{flushed['job']}")["forget_count"] == 4


@pytest.mark.parametrize("action", ["approve", "cancel"])
def test_an_unknown_job_takes_no_orders(refused: Call, action: str) -> None:
    refused("POST", f"{PATH}/{UUID(int=0)}:{action}", 404, "unknown_job")
    refused("POST", f"{PATH}/ada:{action}", 422, "malformed")


def test_a_job_tells_how_far_it_is_and_what_it_is_for(
    session: Session, live: ModelVersion, get: Call
) -> None:
    job = batched(session, live, "ada")

    told = get(f"{PATH}/{job.id}")

    assert told == {
        "id": str(job.id),
        "model": "faces",
        "kind": "unlearn",
        "state": "queued",
        "forget_count": 2,
        "retain_count": 8,
        "progress": {"share": 0.0, "words": "", "eta_seconds": None},
        "attempt": 0,
        "worker": None,
        "due_at": "2026-04-01T12:00:00Z",
        "created_at": "2026-03-02T12:00:00Z",
        "started_at": None,
        "finished_at": None,
        "decision": None,
        "verdict": None,
        "error": None,
    }
    assert get(PATH) == {"items": [told], "next_page_token": ""}


def test_a_job_that_was_decided_and_audited_tells_both(session: Session, get: Call) -> None:
    job = waiting(session, HAMU, {"verdict": "inconclusive", "sentences": []})

    told = get(f"{PATH}/{job.id}")

    assert (told["decision"], told["verdict"]) == (HAMU, "inconclusive")


def test_the_person_is_not_named_in_a_job(
    session: Session, live: ModelVersion, http: TestClient
) -> None:
    job = batched(session, live, "ada")

    assert not names(http.get(f"{PATH}/{job.id}").text, "ada")


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_need_not_be_polled_again(
    session: Session, http: TestClient, state: JobState
) -> None:
    ended = http.get(f"{PATH}/{job_in(session, state).id}")

    again = http.get(
        f"{PATH}/{ended.json()['id']}", headers={"If-None-Match": ended.headers["etag"]}
    )

    assert "retry-after" not in ended.headers
    assert (again.status_code, again.content) == (304, b"")


def test_a_job_that_goes_on_says_when_to_ask_again(session: Session, http: TestClient) -> None:
    job = make_job(session)
    first = http.get(f"{PATH}/{job.id}")
    jobs.finish(session, job, JobState.CANCELLED, now=NOW)

    changed = http.get(f"{PATH}/{job.id}", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["retry-after"] == "2"
    assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")
