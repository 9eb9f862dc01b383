"""Weights go out, as long as their version is in use."""

import hashlib
from base64 import b64decode

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, versions
from app.ledger.tables import Model, ModelVersion
from tests.api.conftest import Call
from tests.api.weights import NETWORK, weights_file
from tests.factories import (
    NOW,
    announce_worker,
    make_model,
    make_request,
    make_version,
    run_through,
)

PATH = "/v1/models/faces/versions"


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model with ten samples and no version, and a worker that knows its network."""
    announce_worker(session, parameters=NETWORK)
    return make_model(session)


def upload(http: TestClient, weights: bytes) -> None:
    """A version with these weights, which has seen ada."""
    response = http.post(PATH, files={"weights": weights, "training_set": b"ada-0\nben-0\n"})
    assert response.status_code == 201, response.text


def forget(session: Session, line: Model, person: str) -> ModelVersion:
    """The version that a request for this person leads to."""
    make_request(session, person)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return run_through(session, job)


def test_weights_are_downloaded_as_they_were_uploaded(http: TestClient) -> None:
    weights = weights_file(body=bytes(range(32)))
    upload(http, weights)

    response = http.get(f"{PATH}/1/weights")

    digest = hashlib.sha256(weights)
    assert response.content == weights
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-length"] == str(len(weights))
    assert response.headers["content-disposition"] == 'attachment; filename="faces-1.safetensors"'
    assert response.headers["etag"] == f'"{digest.hexdigest()}"'
    named = response.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")
    assert b64decode(named) == digest.digest()


def test_weights_that_somebody_has_already_are_not_sent_again(
    session: Session, line: Model, http: TestClient, refused: Call
) -> None:
    upload(http, weights_file())
    etag = http.get(f"{PATH}/1/weights").headers["etag"]
    known_already = {"If-None-Match": f'"other", {etag}'}

    same = http.get(f"{PATH}/1/weights", headers=known_already)
    other = http.get(f"{PATH}/1/weights", headers={"If-None-Match": '"other"'})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (other.status_code, other.content) == (200, weights_file())
    forget(session, line, "ada")
    refused("GET", f"{PATH}/1/weights", 410, "version_withdrawn", headers=known_already)


def test_a_withdrawn_version_names_the_one_to_use(
    session: Session, line: Model, http: TestClient, get: Call, refused: Call
) -> None:
    upload(http, weights_file())
    successor = forget(session, line, "ada")

    problem = refused("GET", f"{PATH}/1/weights", 410, "version_withdrawn")

    assert problem["detail"] == "version 1 of 'faces' was withdrawn; use version 2"
    withdrawn = get(f"{PATH}/1")
    assert (withdrawn["state"], withdrawn["successor_id"]) == ("withdrawn", str(successor.id))
    assert withdrawn["withdrawn_at"] == "2026-03-02T12:00:00Z"


def test_a_version_whose_successor_was_withdrawn_too_names_the_live_one(
    session: Session, line: Model, refused: Call
) -> None:
    make_version(session, line)
    forget(session, line, "ada")
    forget(session, line, "ben")

    problem = refused("GET", f"{PATH}/1/weights", 410, "version_withdrawn")

    assert problem["detail"].endswith("use version 3")


def test_a_purged_version_is_gone_as_well(session: Session, line: Model, refused: Call) -> None:
    purged = make_version(session, line)
    forget(session, line, "ada")
    versions.purge(session, purged, now=NOW)

    problem = refused("GET", f"{PATH}/1/weights", 410, "version_withdrawn")

    assert problem["detail"].endswith("use version 2")


@pytest.mark.parametrize("number", ["0", "-1", "2"])
@pytest.mark.parametrize("tail", ["", "/weights"])
def test_a_version_that_never_was_is_unknown(
    session: Session, line: Model, refused: Call, number: str, tail: str
) -> None:
    make_version(session, line)

    refused("GET", f"{PATH}/{number}{tail}", 404, "unknown_version")
