"""A job whose child is killed in mid-loop, or that restarts, ends with the weights it should."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import torch
from sqlalchemy import select
from torch import nn

from app.db import transaction
from app.ledger import batching, datasets, imports, jobs, model_lines
from app.ledger.policy import Policy
from app.ledger.states import JobState
from app.ledger.tables import Job, Model, ModelVersion
from app.store import Store
from models import weights
from models.data import Split
from models.progress import silent
from models.seeding import seeded
from models.unlearning import METHODS
from tests.factories import NOW, key_of, make_request, make_training, make_version, run_through
from tests.models import blobs
from tests.workers import tiny
from workers import running, work_folders
from workers.going_on import written_by
from workers.station import Station


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the child computes with, and what is compared with it."""
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def route() -> str:
    return "hamu"


@pytest.fixture
def restart() -> str:
    return "parent"


@pytest.fixture
def line(station: Station, route: str, restart: str) -> Model:
    with transaction(station.sessions) as session:
        dataset = datasets.create(session, "tiny", now=NOW)
        rows = [
            imports.Row(line=line, sample_id=sample_id, subject_key=key_of(sample_id))
            for line, sample_id in enumerate(tiny.pool().ids, start=1)
        ]
        imports.import_samples(session, dataset, rows, now=NOW)
        policy = Policy(
            route=route,
            restart=restart,
            reference_seconds=0.0,
            canary_share=0.0,
            on_inconclusive="approve",
        )
        return model_lines.create(
            session, "tiny", recipe="tiny", dataset=dataset, policy=policy, now=NOW
        )


@pytest.fixture
def training(station: Station, line: Model) -> Job:
    with transaction(station.sessions) as session:
        return make_training(session, line)


@pytest.fixture
def forgetting(station: Station, line: Model, trained: nn.Module, tmp_path: Path) -> Job:
    """Of the samples of the first person."""
    weights.save(trained, tmp_path / "first")
    with transaction(station.sessions) as session:
        version = make_version(session, line)
        version.weights_digest = station.store.put(tmp_path / "first")
        make_request(session, *tiny.pool().ids[: tiny.EACH])
        job = batching.batch(session, line.id, now=NOW, flush=True)
        assert job is not None
        return job


@pytest.fixture
def trained() -> nn.Module:
    with seeded(0):
        network = tiny.recipe.build()
    tiny.recipe.fit(network, tiny.pool(), seed=0, progress=silent)
    return network


def digest_of_a_training(seed: int, path: Path) -> str:
    """What a training with this seed gives."""
    with seeded(seed):
        network = tiny.recipe.build()
    tiny.recipe.fit(network, tiny.pool(), seed=seed, progress=silent)
    return weights.save(network, path)


def digest_of_a_forgetting(
    route: str, trained: nn.Module, seed: int, path: Path, *, people: int = 1
) -> str:
    """What forgetting the first people with this seed gives."""
    pool = tiny.pool()
    theirs = torch.arange(len(pool)) < people * tiny.EACH
    split = Split(pool.take(theirs), pool.take(~theirs), tiny.holdout().validation)
    unlearned = METHODS[route](trained, split, tiny.recipe, seed=seed, progress=silent)
    return weights.save(unlearned.network, path)


def killed_and_gone_on(
    station: Station, job: Job, monkeypatch: pytest.MonkeyPatch, *, at: int
) -> list[str]:
    """Run a job twice, first until its child was killed; what that left, by name."""
    monkeypatch.setenv("LACUNA_CRASH_AT", f"child.progress:{at}")
    running.run_job(station, job.id)
    monkeypatch.delenv("LACUNA_CRASH_AT")
    root = work_folders.all_of(station.settings)
    left = [path.name for path in root.rglob("*") if path.is_file()]
    let_it_be_claimed_again(station, job.id)
    running.run_job(station, job.id)
    return left


def let_it_be_claimed_again(station: Station, job_id: UUID) -> None:
    """As if the pause after a failure were over."""
    with transaction(station.sessions) as session:
        jobs.get(session, job_id).not_before = None


def test_the_next_attempt_goes_on_to_the_same_weights(
    station: Station, training: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = killed_and_gone_on(station, training, monkeypatch, at=30)

    with transaction(station.sessions) as session:
        ended = jobs.get(session, training.id)
        version = session.scalars(select(ModelVersion)).one()
    assert left == ["train.resume"]
    assert list(work_folders.all_of(station.settings).iterdir()) == []
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
    assert ended.error is not None
    assert "signal SIGKILL" in ended.error["detail"]
    assert version.weights_digest == digest_of_a_training(training.seed, tmp_path / "alone")


def test_what_a_store_did_not_take_is_not_made_again(
    station: Station, training: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", full)
        running.run_job(station, training.id)
    let_it_be_claimed_again(station, training.id)
    monkeypatch.setenv("LACUNA_CRASH_AT", "child.progress:20")  # long before it could be trained
    running.run_job(station, training.id)

    with transaction(station.sessions) as session:
        ended = jobs.get(session, training.id)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
    assert ended.error is not None
    assert "No space left" in ended.error["detail"]
    assert list(work_folders.all_of(station.settings).iterdir()) == []


# The child tells its progress some 70 times before it begins to forget.
@pytest.mark.parametrize(("route", "at"), [("hamu", 80), ("nabla_tau", 72)])
def test_the_next_attempt_goes_on_forgetting_to_the_same_weights(
    station: Station,
    forgetting: Job,
    route: str,
    at: int,
    trained: nn.Module,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    left = killed_and_gone_on(station, forgetting, monkeypatch, at=at)

    with transaction(station.sessions) as session:
        ended = jobs.get(session, forgetting.id)
    assert left == [f"{route}.resume"]
    assert list(work_folders.all_of(station.settings).iterdir()) == []
    assert (ended.state, ended.attempt) == (JobState.AWAITING_APPROVAL, 2)
    assert ended.run is not None
    alone = digest_of_a_forgetting(route, trained, forgetting.seed, tmp_path / "alone")
    assert ended.run["weights_digest"] == alone


@pytest.mark.parametrize(("route", "restart"), [("rum", "exact")])
def test_a_job_that_restarts_forgets_everybody_since_from_the_weights_of_the_exact_version(
    station: Station, forgetting: Job, route: str, trained: nn.Module, tmp_path: Path
) -> None:
    """Those of the version in use were never stored: a child that asked for them would fail."""
    with transaction(station.sessions) as session:
        past = jobs.get(session, forgetting.id)
        past.run = {"route": "hamu", "seconds": 0.1, "retrain_seconds": 1.0}
        run_through(session, past, route="hamu")
        make_request(session, *tiny.pool().ids[tiny.EACH : 2 * tiny.EACH])
        job = batching.batch(session, forgetting.model_id, now=NOW, flush=True)
        assert job is not None

    running.run_job(station, job.id)

    with transaction(station.sessions) as session:
        ended = jobs.get(session, job.id)
    assert (ended.error, ended.attempt) == (None, 1)
    assert ended.run is not None
    first = [*ended.run["earlier"], ended.run][0]  # by its seed, the audit sends some back
    alone = digest_of_a_forgetting(route, trained, job.seed, tmp_path / "alone", people=2)
    assert (first["route"], first["weights_digest"]) == (route, alone)


def test_what_a_recipe_left_is_not_for_the_one_that_took_its_place() -> None:
    longer = replace(tiny.recipe, schedule=replace(tiny.recipe.schedule, epochs=99))
    elsewhere = replace(tiny.recipe, network=blobs.build)

    left = {tuple(written_by(one)) for one in (tiny.recipe, longer, elsewhere)}

    assert len(left) == 3
    assert written_by(tiny.recipe) == written_by(tiny.recipe)
