"""What lies in a job's folder: only states to go on from outlast a claim, and nothing the job."""

from pathlib import Path
from uuid import UUID

import pytest

from app.db import transaction
from app.ledger import endings, jobs
from tests.factories import NOW, claim, make_training
from workers import work_folders
from workers.station import Station


@pytest.fixture
def job_id(station: Station) -> UUID:
    with transaction(station.sessions) as session:
        job = make_training(session)
        claim(session, job)
        return job.id


def files(station: Station) -> list[str]:
    root = work_folders.all_of(station.settings)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_the_next_claim_finds_the_states_and_nothing_else(station: Station, job_id: UUID) -> None:
    with work_folders.work_folder(station, job_id, 1) as folder:
        (folder / "train.resume").write_text("after epoch 3")
        (folder / "retain.json").write_text('["ada-0"]')

    assert files(station) == [f"{job_id}/1/train.resume"]
    with work_folders.work_folder(station, job_id, 2) as folder:
        assert [path.name for path in folder.iterdir()] == ["train.resume"]
        (folder / "train.resume").unlink()
    assert list(work_folders.all_of(station.settings).iterdir()) == []


def test_what_a_killed_worker_left_is_taken_over_too(station: Station, job_id: UUID) -> None:
    killed = work_folders.all_of(station.settings) / str(job_id) / "1"
    killed.mkdir(parents=True)
    (killed / "train.resume").write_text("after epoch 3")
    (killed / "retain.json").write_text('["ada-0"]')

    with work_folders.work_folder(station, job_id, 2):
        assert files(station) == [f"{job_id}/2/train.resume"]


def test_a_worker_that_lost_its_job_cannot_write_into_the_next_ones_folder(
    station: Station, job_id: UUID
) -> None:
    with (
        work_folders.work_folder(station, job_id, 1) as stalled,
        work_folders.work_folder(station, job_id, 2) as folder,
    ):
        with pytest.raises(FileNotFoundError):
            (stalled / "train.resume").write_text("too late")
        (folder / "train.resume").write_text("after epoch 5")

    assert files(station) == [f"{job_id}/2/train.resume"]


def test_the_folder_of_a_job_that_has_ended_is_removed(station: Station, job_id: UUID) -> None:
    with work_folders.work_folder(station, job_id, 1) as folder:
        (folder / "train.resume").write_text("after epoch 3")

    work_folders.clear(station)
    assert files(station) == [f"{job_id}/1/train.resume"]
    with transaction(station.sessions) as session:
        endings.cancel(session, jobs.get(session, job_id), now=NOW, retry_seconds=0.0)
    work_folders.clear(station)

    assert list(Path(work_folders.all_of(station.settings)).iterdir()) == []
