"""Weights that were trained elsewhere come in."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.bitmap import Bitmap
from app.config import Settings
from app.ledger.tables import Model, ModelVersion
from tests.api.conftest import Call, Clock
from tests.api.weights import BIAS, NETWORK, WEIGHT, weights_file
from tests.factories import (
    PEOPLE,
    announce_worker,
    make_model,
    make_request,
    make_training,
)

PATH = "/v1/models/faces/versions"
EVERYONE = [f"{person}-{place}" for person in PEOPLE for place in (0, 1)]


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model with ten samples and no version, and a worker that knows its network."""
    announce_worker(session, parameters=NETWORK)
    return make_model(session)


def files(
    weights: bytes | None = None, training_set: str | bytes = "\n".join(EVERYONE)
) -> dict[str, bytes]:
    """The form that is uploaded."""
    ids = training_set.encode() if isinstance(training_set, str) else training_set
    return {"weights": weights_file() if weights is None else weights, "training_set": ids}


def upload(http: TestClient, **parts: Any) -> Any:
    response = http.post(PATH, files=files(**parts))
    assert response.status_code == 201, response.text
    return response.json()


def kept(settings: Settings) -> list[Path]:
    """The files in the store."""
    return [path for path in (settings.data_dir / "store").rglob("*") if path.is_file()]


def known(session: Session) -> list[ModelVersion]:
    return list(session.scalars(select(ModelVersion)))


def test_uploaded_weights_become_a_version(
    session: Session, line: Model, http: TestClient, get: Call
) -> None:
    weights = weights_file()

    answer = upload(http, weights=weights, training_set="kim-1\nada-0\n")

    (stored,) = known(session)
    assert stored.training_set == Bitmap([0, 7])
    assert answer == {
        "id": str(stored.id),
        "number": 1,
        "state": "published",
        "made_by": "uploaded",
        "parent_id": None,
        "job_id": None,
        "weights_digest": hashlib.sha256(weights).hexdigest(),
        "training_set_size": 2,
        "training_set_digest": hashlib.sha256(bytes([0, 0, 0, 0, 0, 0, 0, 7])).hexdigest(),
        "manifest": {"recipe": "tiny"},
        "created_at": "2026-03-02T12:00:00Z",
        "withdrawn_at": None,
        "successor_id": None,
        "withdrawal_reason": None,
        "saw": None,
        "aliases": None,
        "references": None,
        "logged": None,
        "canary": None,
        "derived": None,
    }
    assert get("/v1/models/faces")["live"] == answer
    assert get(PATH) == [answer]
    assert get(f"{PATH}/1") == answer


def test_a_second_upload_is_live_and_the_first_stays_published(http: TestClient, get: Call) -> None:
    upload(http)
    second = upload(http, weights=weights_file(body=b"\1" * 32))

    assert get("/v1/models/faces")["live"] == second
    assert [(v["number"], v["state"]) for v in get(PATH)] == [(1, "published"), (2, "published")]


@pytest.mark.parametrize(
    "training_set",
    [
        "ada-0\nben-1",
        "ada-0\nben-1\n",
        "ada-0\r\nben-1\r\n",
        "\ufeffada-0\nben-1",
        "\n\nben-1\n\nada-0\n\n",
    ],
)
def test_a_training_set_is_one_id_a_line_however_lines_end(
    session: Session, http: TestClient, training_set: str
) -> None:
    upload(http, training_set=training_set)

    assert [version.training_set for version in known(session)] == [Bitmap([0, 3])]


@pytest.mark.parametrize(
    ("training_set", "code", "pointers"),
    [
        ("ada-0\nx\nkim-0\ny", "unknown_samples", ["/training_set/1", "/training_set/3"]),
        ("ada-0\n kim-0", "unknown_samples", ["/training_set/1"]),
        ("ada-0\nkim-0\nada-0", "duplicate_samples", ["/training_set/2"]),
        ("", "empty_training_set", []),
        ("\n\r\n", "empty_training_set", []),
        (b"ada-0\n\xff\xfe", "bad_line", []),
        ("ada-0\nkim\0", "malformed", []),
    ],
)
def test_a_training_set_that_cannot_be_is_refused_and_nothing_is_kept(
    session: Session,
    configured: Settings,
    refused: Call,
    training_set: str | bytes,
    code: str,
    pointers: list[str],
) -> None:
    problem = refused("POST", PATH, 422, code, files=files(training_set=training_set))

    assert [place["pointer"] for place in problem["errors"]] == pointers
    assert (known(session), kept(configured)) == ([], [])


def test_weights_that_saw_a_forgotten_sample_are_refused_and_not_kept(
    session: Session, configured: Settings, http: TestClient, refused: Call
) -> None:
    make_request(session, "ada")

    problem = refused("POST", PATH, 422, "forgotten_samples", files=files())

    assert problem["detail"].startswith("2 samples ")
    assert (known(session), kept(configured)) == ([], [])
    upload(http, training_set="\n".join(EVERYONE[2:]))


@pytest.mark.parametrize(
    "weights", [b"", pickle.dumps({"weight": [0.0] * 100}), weights_file()[:-1]]
)
def test_what_is_no_safetensors_file_is_refused_and_not_kept(
    session: Session, configured: Settings, refused: Call, weights: bytes
) -> None:
    refused("POST", PATH, 422, "bad_weights", files=files(weights))

    assert (known(session), kept(configured)) == ([], [])


@pytest.mark.parametrize(
    ("weights", "code", "detail"),
    [
        (
            weights_file(weight=WEIGHT | {"shape": [3, 2]}),
            "shape_differs",
            "[3, 2] in the file, [2, 3] expected",
        ),
        (
            weights_file(
                body=bytes(56),
                weight=WEIGHT | {"dtype": "F64", "data_offsets": [0, 48]},
                bias=BIAS | {"data_offsets": [48, 56]},
            ),
            "dtype_differs",
            "F64 in the file, F32 expected",
        ),
    ],
)
def test_weights_of_another_network_are_refused_and_not_kept(
    session: Session, configured: Settings, refused: Call, weights: bytes, code: str, detail: str
) -> None:
    problem = refused("POST", PATH, 422, "weights_do_not_fit", files=files(weights))

    assert problem["errors"] == [{"pointer": "/weight", "code": code, "detail": detail}]
    assert (known(session), kept(configured)) == ([], [])


@pytest.mark.parametrize("part", ["weights", "training_set"])
def test_both_parts_are_wanted(refused: Call, part: str) -> None:
    parts = files()
    del parts[part]

    problem = refused("POST", PATH, 422, "malformed", files=parts)

    assert [place["pointer"] for place in problem["errors"]] == [f"/{part}"]


def test_an_upload_waits_for_the_active_job(
    session: Session, line: Model, configured: Settings, refused: Call
) -> None:
    job = make_training(session, line)

    problem = refused("POST", PATH, 409, "conflict", files=files(b"not even read"))

    assert str(job.id) in problem["detail"]
    assert (known(session), kept(configured)) == ([], [])


def test_an_upload_needs_a_worker_that_knows_the_network(clock: Clock, refused: Call) -> None:
    clock.pass_by(31)

    refused("POST", PATH, 409, "worker_absent", files=files())


def test_an_upload_for_a_recipe_that_nobody_announces_any_more_is_refused(
    session: Session, refused: Call
) -> None:
    announce_worker(session, recipe="blobs")

    problem = refused("POST", PATH, 422, "unknown_recipe", files=files())

    assert problem["detail"].endswith("'tiny'; announced are: blobs")


def test_an_unknown_model_takes_no_weights(refused: Call) -> None:
    refused("POST", "/v1/models/x/versions", 404, "unknown_model", files=files())
