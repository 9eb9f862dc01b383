"""What callers are told of samples that were forgotten so long ago that only marks are left."""

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, retention
from app.ledger.tables import Model
from tests.api.conftest import Call
from tests.api.weights import NETWORK, weights_file
from tests.factories import (
    DAY,
    NOW,
    announce_worker,
    make_model,
    make_request,
    make_version,
    run_through,
)

REQUESTS = "/v1/deletion-requests"


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model that has forgotten Ada, whose request is shredded."""
    announce_worker(session, parameters=NETWORK)
    line = make_model(session)
    make_version(session, line)
    request = make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)
    retention.shred(session, request.id, now=NOW + 731 * DAY)
    return line


def test_an_import_says_what_stays_forgotten(http: TestClient) -> None:
    lines = "sample_id,subject\nada-0,ada\nada-9,ada\n"

    answer = http.post(
        "/v1/datasets/faces/samples", content=lines, headers={"Content-Type": "text/csv"}
    )

    assert answer.json() == {"new": 1, "known": 1, "forgotten": 1, "size": 11}


def test_an_upload_that_was_trained_on_them_is_refused(refused: Call) -> None:
    files = {"weights": weights_file(), "training_set": b"ada-0\nben-0\n"}

    problem = refused("POST", "/v1/models/faces/versions", 422, "forgotten_samples", files=files)

    assert "1 samples of this training set were forgotten" in problem["detail"]


@pytest.mark.parametrize("subject", [{}, {"subject": "ada"}], ids=["ids alone", "with the subject"])
def test_a_request_for_them_finds_nothing_to_do(post: Call, subject: dict[str, str]) -> None:
    asked = post(REQUESTS, dataset="faces", sample_ids=["ada-0", "ada-1"], **subject)

    assert (asked["state"], asked["sample_count"]) == ("completed_no_data", 0)


def test_who_asks_again_is_not_found_any_more(post: Call) -> None:
    asked = post(REQUESTS, subject="ada")

    assert (asked["state"], asked["sample_count"]) == ("completed_no_data", 0)
