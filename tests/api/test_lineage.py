"""Which versions saw a sample, themselves or through the weights they were made from."""

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import batching, versions
from app.ledger.tables import Model, ModelVersion
from tests import factories
from tests.api.conftest import Call
from tests.factories import NOW

PATH = "/v1/models/faces/versions"


@pytest.fixture
def line(session: Session) -> Model:
    """A model with two versions; the second never saw Ada's samples."""
    line = factories.make_model(session)
    factories.make_version(session, line)
    factories.make_version(session, line, training_set=Bitmap(range(2, 10)))
    return line


def forget(session: Session, line: Model, person: str, *, made_by: str) -> ModelVersion:
    """The next version, made by this route without a person's samples."""
    factories.make_request(session, person)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    version = factories.run_through(session, job)
    version.made_by = made_by
    return version


def seen(get: Call, sample: str, **query: str) -> dict[int, str]:
    """By number: how a version has to do with the sample."""
    return {version["number"]: version["saw"] for version in get(PATH, saw_sample=sample, **query)}


def test_a_version_that_was_trained_on_it_saw_it(get: Call, line: Model) -> None:
    assert seen(get, "ada-0") == {1: "trained_on"}
    assert seen(get, "zoe-1") == {1: "trained_on", 2: "trained_on"}


def test_an_unlearned_version_and_its_children_descend_from_what_saw_it(
    get: Call, session: Session, line: Model
) -> None:
    forget(session, line, "ben", made_by="hamu")
    forget(session, line, "eve", made_by="nabla_tau")

    assert seen(get, "ben-0") == {
        1: "trained_on",
        2: "trained_on",
        3: "descended",
        4: "descended",
    }


def test_a_retrain_ends_the_descent(get: Call, session: Session, line: Model) -> None:
    forget(session, line, "ben", made_by="hamu")
    forget(session, line, "eve", made_by="retrain")
    forget(session, line, "kim", made_by="hamu")

    assert seen(get, "ben-0") == {1: "trained_on", 2: "trained_on", 3: "descended"}
    assert 5 in seen(get, "kim-0")


def test_a_version_whose_weights_are_purged_still_saw_it(
    get: Call, session: Session, line: Model
) -> None:
    forget(session, line, "ben", made_by="retrain")
    first = versions.get(session, line, 1)
    versions.purge(session, first, now=NOW)

    (found, *_) = get(PATH, saw_sample="ben-0")

    assert (found["number"], found["state"], found["saw"]) == (1, "purged", "trained_on")


def test_the_dataset_may_be_named(get: Call, session: Session, line: Model) -> None:
    factories.make_dataset(session, "other")

    assert seen(get, "ada-0", dataset="faces") == {1: "trained_on"}
    assert seen(get, "ada-0", dataset="other") == {}


def test_without_a_sample_all_versions_are_listed(get: Call, line: Model) -> None:
    assert [(version["number"], version["saw"]) for version in get(PATH)] == [(1, None), (2, None)]


def test_an_unknown_sample_is_refused(refused: Call, line: Model) -> None:
    refused("GET", f"{PATH}?saw_sample=nobody-7", 422, "unknown_samples")
