"""The same bytes saw the same samples, whatever list they come with the next time."""

from hashlib import sha256

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.ledger import versions
from app.ledger.derived_tables import DerivedVersion
from app.ledger.tables import Dataset, Model
from app.store import Store
from tests.api.conftest import Call
from tests.api.weights import NETWORK, weights_file
from tests.factories import announce_worker, make_child, make_dataset, make_model, make_request

PATH = "/v1/models/{}/versions"
BYTES, OTHERS = weights_file(), weights_file(body=b"\1" * 32)
LIST = b"ada-0\nada-1\nben-0\n"
SMALLER = b"ben-0\n"


@pytest.fixture(autouse=True)
def line(session: Session, http: TestClient) -> Model:
    """A model whose only version was uploaded, and saw Ada. Nobody has asked for anything."""
    announce_worker(session, parameters=NETWORK)
    line = make_model(session)
    assert upload(http, BYTES, LIST) == 201
    return line


def upload(http: TestClient, weights: bytes, samples: bytes) -> int:
    files = {"weights": weights, "training_set": samples}
    return http.post(PATH.format("faces"), files=files).status_code


@pytest.mark.parametrize("model", ["faces", "other"])
def test_a_list_that_leaves_samples_out_is_refused_for_any_model_of_the_dataset(
    session: Session, line: Model, refused: Call, configured: Settings, model: str
) -> None:
    other = make_model(session, session.get_one(Dataset, line.dataset_id), "other")
    digest = versions.get(session, line, 1).weights_digest

    files = {"weights": BYTES, "training_set": SMALLER}
    problem = refused("POST", PATH.format(model), 422, "training_set_differs", files=files)

    assert "the weights of version 1 of 'faces', which saw 2 samples that" in problem["detail"]
    assert "List those too, or upload weights that were trained without" in problem["detail"]
    assert [len(versions.listed(session, each)) for each in (line, other)] == [1, 0]
    assert Store(configured.store).has(digest)  # they are version 1's


def test_a_list_that_adds_samples_is_refused(refused: Call) -> None:
    files = {"weights": BYTES, "training_set": LIST + b"eve-0\n"}

    problem = refused("POST", PATH.format("faces"), 422, "training_set_differs", files=files)

    assert "which was registered without 1 samples of this list" in problem["detail"]


def test_the_same_list_in_another_order_is_taken(http: TestClient) -> None:
    assert upload(http, BYTES, b"ben-0\nada-1\nada-0\n") == 201


def test_weights_that_saw_another_dataset_are_refused(session: Session, refused: Call) -> None:
    make_model(session, make_dataset(session, "voices"), "speech")

    files = {"weights": BYTES, "training_set": LIST}
    problem = refused("POST", PATH.format("speech"), 422, "training_set_differs", files=files)

    assert "which saw samples of another dataset" in problem["detail"]


@pytest.fixture
def child(session: Session, http: TestClient, line: Model) -> None:
    """What was derived from version 1 elsewhere, registered with its digest."""
    made = make_child(session, versions.get(session, line, 1), name="tuned")
    digest = sha256(OTHERS).hexdigest()
    session.execute(
        update(DerivedVersion).where(DerivedVersion.id == made.row.id).values(weights_digest=digest)
    )


@pytest.mark.usefixtures("child")
def test_a_child_saw_what_its_parent_saw_and_may_have_seen_more(
    http: TestClient, refused: Call
) -> None:
    files = {"weights": OTHERS, "training_set": SMALLER}
    problem = refused("POST", PATH.format("faces"), 422, "training_set_differs", files=files)

    assert "the weights of 'tuned', derived from version 1 of 'faces'" in problem["detail"]
    assert upload(http, OTHERS, LIST + b"eve-0\n") == 201


@pytest.mark.usefixtures("child")
def test_a_child_of_what_saw_a_forgotten_sample_is_refused(session: Session, refused: Call) -> None:
    make_request(session, "ada")

    files = {"weights": OTHERS, "training_set": SMALLER}
    refused("POST", PATH.format("faces"), 422, "forgotten_weights", files=files)
