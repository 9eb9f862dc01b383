"""A job whose child is killed in mid-training ends with the weights of one that never was."""

from pathlib import Path
from uuid import UUID

import pytest
import torch
from sqlalchemy import select

from app.db import transaction
from app.ledger import datasets, imports, jobs, model_lines
from app.ledger.policy import Policy
from app.ledger.states import JobState
from app.ledger.tables import Job, ModelVersion
from models import weights
from models.progress import silent
from models.seeding import seeded
from tests.factories import NOW, key_of, make_training
from tests.workers import tiny
from workers import running, work_folders
from workers.station import Station


@pytest.fixture
def job(station: Station) -> Job:
    with transaction(station.sessions) as session:
        dataset = datasets.create(session, "tiny", now=NOW)
        rows = [
            imports.Row(line=line, sample_id=sample_id, subject_key=key_of(sample_id))
            for line, sample_id in enumerate(tiny.pool().ids, start=1)
        ]
        imports.import_samples(session, dataset, rows, now=NOW)
        line = model_lines.create(
            session, "tiny", recipe="tiny", dataset=dataset, policy=Policy(), now=NOW
        )
        return make_training(session, line)


def digest_of_a_training(seed: int, path: Path) -> str:
    """What a training with this seed gives on one thread, as the child has it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with seeded(seed):
        network = tiny.recipe.build()
    tiny.recipe.fit(network, tiny.pool(), seed=seed, progress=silent)
    torch.set_num_threads(before)
    return weights.save(network, path)


def let_it_be_claimed_again(station: Station, job_id: UUID) -> None:
    """As if the pause after a failure were over."""
    with transaction(station.sessions) as session:
        jobs.get(session, job_id).not_before = None


def test_the_next_attempt_goes_on_to_the_same_weights(
    station: Station, job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    root = work_folders.all_of(station.settings)

    monkeypatch.setenv("LACUNA_CRASH_AT", "child.progress:30")
    running.run_job(station, job.id)
    monkeypatch.delenv("LACUNA_CRASH_AT")
    left = [path.name for path in root.rglob("*") if path.is_file()]
    let_it_be_claimed_again(station, job.id)
    running.run_job(station, job.id)

    with transaction(station.sessions) as session:
        ended = jobs.get(session, job.id)
        version = session.scalars(select(ModelVersion)).one()
    assert left == ["train.resume"]
    assert list(root.iterdir()) == []
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
    assert ended.error is not None
    assert "signal SIGKILL" in ended.error["detail"]
    assert version.weights_digest == digest_of_a_training(job.seed, tmp_path / "alone")
