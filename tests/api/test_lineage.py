"""Which versions saw a sample, themselves or through the weights they were made from."""

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import batching, canaries, references, training_logs, versions
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


def test_it_is_told_which_aliases_and_references_reach_the_sample(
    get: Call, session: Session, line: Model
) -> None:
    first, second = versions.listed(session, line)
    versions.point(session, line, "stable", first, now=NOW)
    scored(session, first)

    found = {version["number"]: version for version in get(PATH, saw_sample="ada-0")}
    both = {version["number"]: version for version in get(PATH, saw_sample="ben-0")}

    assert (found[1]["aliases"], found[1]["references"]) == (["stable"], 1)
    assert both[second.number]["aliases"] == ["live"]
    assert both[second.number]["references"] == 0
    assert get(PATH)[0]["aliases"] is None


def scored(session: Session, version: ModelVersion) -> None:
    """What one reference said, which left Ben's samples out."""
    references.add(
        session,
        version,
        0,
        left_out=Bitmap([2, 3]),
        losses=dict.fromkeys(version.training_set, 0.5),
        unseen=[0.5],
        weights_digest="",
        now=NOW,
    )
    session.flush()


def test_it_is_told_whether_its_training_noted_anything_of_the_sample(
    get: Call, session: Session, line: Model
) -> None:
    first = versions.get(session, line, 1)
    training = factories.make_training(session, line)
    training_logs.keep(session, training, [0.5] * 10)
    first.job_id = training.id

    told = {each["number"]: each["logged"] for each in get(PATH, saw_sample="ben-0")}
    training_logs.forget(session, line.id, Bitmap([2]))

    assert told == {1: True, 2: False}
    assert get(PATH, saw_sample="ben-0")[0]["logged"] is False
    assert get(PATH)[0]["logged"] is None


def test_it_is_told_whether_it_is_of_a_canary_of_its_training(
    get: Call, session: Session, line: Model
) -> None:
    first = versions.get(session, line, 1)
    training = factories.make_training(session, line)
    canaries.deal(session, line, training, [canaries.Coin(Bitmap([2, 3]), included=True)], now=NOW)
    first.job_id = training.id

    ben = {each["number"]: each["canary"] for each in get(PATH, saw_sample="ben-0")}
    eve = {each["number"]: each["canary"] for each in get(PATH, saw_sample="eve-0")}

    assert ben == {1: True, 2: False}
    assert eve == {1: False, 2: False}


def test_a_reference_that_was_told_to_forget_a_sample_tells_of_it_no_more(
    get: Call, session: Session, line: Model
) -> None:
    first = versions.get(session, line, 1)
    scored(session, first)

    references.forget(session, line.id, Bitmap([0, 2]))

    told = {
        sample: get(PATH, saw_sample=sample)[0]["references"]
        for sample in ("ada-0", "ada-1", "ben-0", "ben-1")
    }
    assert told == {"ada-0": 0, "ada-1": 1, "ben-0": 0, "ben-1": 1}


def test_active_jobs_that_hold_a_sample_are_told(get: Call, session: Session, line: Model) -> None:
    factories.make_request(session, "ben")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    other = factories.make_model(session, line.dataset, "other")
    training = factories.make_training(session, other)

    def holding(model: str, sample: str) -> list[str]:
        found = get("/v1/jobs", model=model, saw_sample=sample)
        return [item["id"] for item in found["items"]]

    assert holding("faces", "ben-0") == [str(job.id)]
    assert holding("faces", "eve-0") == [str(job.id)]
    assert holding("faces", "ada-0") == []  # the parent never saw it
    assert holding("other", "ada-0") == [str(training.id)]


def test_jobs_that_hold_a_sample_are_asked_for_by_model(refused: Call, line: Model) -> None:
    refused("GET", "/v1/jobs?saw_sample=ada-0", 422, "malformed")
    refused("GET", "/v1/jobs?saw_sample=nobody-7&model=faces", 422, "unknown_samples")
