from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, datasets
from app.ledger.tables import DeletionRequest, ModelVersion
from tests.api.conftest import Call
from tests.factories import NOW, make_dataset, make_erasure, make_model, make_request, make_version

PATH = "/v1/deletion-requests"
WHY = {"reason": "withdrawn by the person"}


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


def tombstones(session: Session) -> list[int]:
    return list(datasets.tombstones(session, datasets.get(session, "faces").id))


def cancel(http: TestClient, request: DeletionRequest) -> None:
    response = http.post(f"{PATH}/{request.id}:cancel", json=WHY)
    assert response.status_code == 200, response.text
    assert response.json()["state"] == "cancelled"
    assert response.json()["finished_at"] is not None
    assert {erasure["state"] for erasure in response.json()["erasures"]} == {"cancelled"}


def test_a_request_taken_back_leaves_the_samples_as_they_were(
    session: Session, http: TestClient
) -> None:
    request = make_request(session, "ada")

    cancel(http, request)

    assert tombstones(session) == []


def test_samples_that_others_want_forgotten_stay_buried(session: Session, http: TestClient) -> None:
    mine, theirs = make_request(session, "ada", "ben"), make_request(session, "ben")

    cancel(http, mine)
    assert tombstones(session) == [2, 3]

    cancel(http, theirs)
    assert tombstones(session) == []


def test_samples_of_finished_requests_stay_buried(session: Session, http: TestClient) -> None:
    voices = make_dataset(session, "voices", people=["mia", "noa"])
    make_request(session, "mia")
    make_version(session, make_model(session, voices, "speech"))

    cancel(http, make_request(session, "mia"))

    assert list(datasets.tombstones(session, voices.id)) == [0, 1]


def test_a_request_that_waits_for_a_person_can_be_taken_back(
    session: Session, http: TestClient
) -> None:
    erasure = make_erasure(session, "ada")
    batching.hold(session, erasure, now=NOW)

    cancel(http, erasure.request)


def test_a_request_in_a_job_cannot_be_taken_back(
    session: Session, refused: Call, live: ModelVersion
) -> None:
    request = make_request(session, "ada")
    batching.batch(session, live.model_id, now=NOW, flush=True)

    refused("POST", f"{PATH}/{request.id}:cancel", 409, "illegal_transition", json=WHY)

    assert tombstones(session) == [0, 1]


@pytest.mark.parametrize("person", ["ada", "stranger"])
def test_a_request_that_has_ended_cannot_be_taken_back(
    session: Session, http: TestClient, refused: Call, person: str
) -> None:
    request = make_request(session, person)
    if person == "ada":
        cancel(http, request)

    refused("POST", f"{PATH}/{request.id}:cancel", 409, "illegal_transition", json=WHY)


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"why": "x"}, None])
def test_a_reason_is_wanted(session: Session, refused: Call, body: object) -> None:
    request = make_request(session, "ada")

    refused("POST", f"{PATH}/{request.id}:cancel", 422, "malformed", json=body)


def test_an_unknown_request_cannot_be_taken_back(refused: Call) -> None:
    refused("POST", f"{PATH}/{UUID(int=0)}:cancel", 404, "unknown_request", json=WHY)
