"""Weights that saw what was forgotten do not come back under a training set that leaves it out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.ledger import batching, versions
from app.ledger.tables import Dataset, Model, ModelVersion
from app.store import Store
from tests.api.conftest import Call
from tests.api.weights import NETWORK, weights_file
from tests.factories import (
    NOW,
    announce_worker,
    make_dataset,
    make_model,
    make_request,
    run_through,
)

PATH = "/v1/models/{}/versions"
SAW_ADA, NEVER_SAW_HER = weights_file(), weights_file(body=b"\1" * 32)
OTHERS = b"ben-0\nben-1\nzoe-0\n"


@pytest.fixture(autouse=True)
def line(session: Session, http: TestClient) -> Model:
    """A model whose uploaded first version saw ada, who asks to be forgotten."""
    announce_worker(session, parameters=NETWORK)
    line = make_model(session)
    files = {"weights": SAW_ADA, "training_set": b"ada-0\nada-1\n" + OTHERS}
    assert http.post(PATH.format("faces"), files=files).status_code == 201
    make_request(session, "ada")
    return line


def first(session: Session, line: Model) -> ModelVersion:
    return versions.get(session, line, 1)


def nothing_yet(session: Session, line: Model) -> None:
    """Her request is accepted and waits: version 1 is in use."""


def withdraw(session: Session, line: Model) -> None:
    """A later version has taken its place."""
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)


def purge(session: Session, line: Model) -> None:
    """And its time is over."""
    withdraw(session, line)
    versions.purge(session, first(session, line), now=NOW)


Happen = Callable[[Session, Model], None]
WHATEVER_BECAME_OF_IT = pytest.mark.parametrize("happen", [nothing_yet, withdraw, purge])


def kept(settings: Settings) -> list[Path]:
    """The files in the store."""
    return [path for path in (settings.data_dir / "store").rglob("*") if path.is_file()]


def numbers(session: Session, line: Model) -> list[int]:
    return [version.number for version in versions.listed(session, line)]


@WHATEVER_BECAME_OF_IT
def test_the_same_bytes_are_refused_and_it_is_said_what_to_do(
    session: Session, line: Model, refused: Call, happen: Happen
) -> None:
    happen(session, line)
    before = numbers(session, line)

    files = {"weights": SAW_ADA, "training_set": OTHERS}
    problem = refused("POST", PATH.format("faces"), 422, "forgotten_weights", files=files)

    assert "the weights of version 1 of 'faces', which saw 2 samples" in problem["detail"]
    assert "upload weights that were trained without them" in problem["detail"]
    assert numbers(session, line) == before


@WHATEVER_BECAME_OF_IT
@pytest.mark.parametrize("dataset", ["faces", "voices"])
def test_they_are_refused_for_another_model_of_this_or_of_another_dataset(
    session: Session, line: Model, refused: Call, post: Call, happen: Happen, dataset: str
) -> None:
    happen(session, line)
    make_dataset(session, "voices", people=["ben", "zoe"])
    post("/v1/models", name="other", recipe="tiny", dataset=dataset, train=False)

    files = {"weights": SAW_ADA, "training_set": OTHERS}
    refused("POST", PATH.format("other"), 422, "forgotten_weights", files=files)


def test_purged_weights_are_not_even_stored_again(
    session: Session, line: Model, configured: Settings, refused: Call
) -> None:
    purge(session, line)
    Store(configured.store).purge(first(session, line).weights_digest)

    files = {"weights": SAW_ADA, "training_set": OTHERS}
    refused("POST", PATH.format("faces"), 422, "forgotten_weights", files=files)

    assert kept(configured) == []


def test_weights_that_were_trained_without_her_are_taken(
    session: Session, line: Model, http: TestClient
) -> None:
    withdraw(session, line)

    files = {"weights": NEVER_SAW_HER, "training_set": OTHERS}

    assert http.post(PATH.format("faces"), files=files).status_code == 201


def test_the_same_bytes_are_taken_again_once_her_request_was_taken_back(
    session: Session, line: Model, http: TestClient, get: Call, post: Call
) -> None:
    (request,) = get("/v1/deletion-requests")["items"]
    post(f"/v1/deletion-requests/{request['id']}:cancel", reason="withdrawn by the person")

    files = {"weights": SAW_ADA, "training_set": b"ada-0\nada-1\n" + OTHERS}

    assert http.post(PATH.format("faces"), files=files).status_code == 201
    assert numbers(session, line) == [1, 2]


def test_a_request_that_comes_in_while_they_are_stored_is_still_seen(
    session: Session,
    line: Model,
    http: TestClient,
    refused: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store: Store = http.app.state.store  # type: ignore[attr-defined]  # Starlette's type is wider
    put = store.put

    def put_slowly(file: Path) -> str:
        make_request(session, "ben")
        session.commit()
        return put(file)

    other = make_model(session, session.get_one(Dataset, line.dataset_id), "other")
    zoes = {"weights": NEVER_SAW_HER, "training_set": b"ben-0\nzoe-0\n"}
    assert http.post(PATH.format("other"), files=zoes).status_code == 201
    monkeypatch.setattr(store, "put", put_slowly)

    files = {"weights": NEVER_SAW_HER, "training_set": b"zoe-0\n"}
    refused("POST", PATH.format("faces"), 422, "forgotten_weights", files=files)

    assert numbers(session, other) == [1]
    assert numbers(session, line) == [1]
