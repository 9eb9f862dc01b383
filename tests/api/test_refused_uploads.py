"""What is refused after its weights were stored leaves nothing in the store."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.ledger.tables import Model, ModelVersion
from app.store import Store
from tests.api.conftest import Call
from tests.api.weights import NETWORK, weights_file
from tests.factories import announce_worker, make_model, make_request, make_training

PATH = "/v1/models/faces/versions"
Meanwhile = Callable[[Callable[[], object]], None]
FILES = {"weights": weights_file(), "training_set": b"ada-0\nben-0\n"}


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model with no version, and a worker that knows its network."""
    announce_worker(session, parameters=NETWORK)
    return make_model(session)


@pytest.fixture
def meanwhile(app: FastAPI, session: Session, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Have something happen between the storing of weights and their publication."""
    store: Store = app.state.store
    put = store.put

    def let(happen: Callable[[], object]) -> None:
        def put_slowly(file: Path) -> str:
            digest = put(file)
            happen()
            session.commit()
            return digest

        monkeypatch.setattr(store, "put", put_slowly)

    return let


def kept(settings: Settings) -> list[Path]:
    """The files in the store."""
    return [path for path in (settings.data_dir / "store").rglob("*") if path.is_file()]


def known(session: Session) -> list[int]:
    return list(session.scalars(select(ModelVersion.number)))


def test_weights_are_removed_if_a_request_came_in_meanwhile(
    session: Session, configured: Settings, refused: Call, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda: make_request(session, "ada"))

    refused("POST", PATH, 422, "forgotten_samples", files=FILES)

    assert (known(session), kept(configured)) == ([], [])


def test_weights_are_removed_if_a_job_began_meanwhile(
    session: Session, line: Model, configured: Settings, refused: Call, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda: make_training(session, line))

    refused("POST", PATH, 409, "conflict", files=FILES)

    assert (known(session), kept(configured)) == ([], [])


def test_weights_that_a_version_has_stay(
    session: Session,
    line: Model,
    configured: Settings,
    http: TestClient,
    refused: Call,
    meanwhile: Meanwhile,
) -> None:
    assert http.post(PATH, files=FILES).status_code == 201
    meanwhile(lambda: make_training(session, line))

    refused("POST", PATH, 409, "conflict", files=FILES)

    assert (known(session), len(kept(configured))) == ([1], 1)
    assert http.get(f"{PATH}/1/weights").content == FILES["weights"]


def test_weights_of_an_upload_that_is_taken_stay(
    session: Session, configured: Settings, http: TestClient, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda: make_request(session, "zoe"))  # of whom the upload has seen nothing

    assert http.post(PATH, files=FILES).status_code == 201

    assert (known(session), len(kept(configured))) == ([1], 1)
