"""Where jobs' files lie while they are worked on: they name samples, so none may stay behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from app.config import Settings
from app.db import transaction
from app.ledger import jobs
from workers.station import Station


@contextmanager
def work_folder(station: Station, job_id: UUID) -> Iterator[Path]:
    """One job's folder, empty at first.

    What a killed worker left there is removed by whoever claims the job next.
    """
    folder = all_of(station.settings) / str(job_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear(station: Station) -> None:
    """Remove what killed workers left on this machine of jobs that nobody takes up any more."""
    folders = list(all_of(station.settings).glob("*"))  # before the jobs: no new one is taken away
    if not folders:
        return
    with transaction(station.sessions) as session:
        active = {str(job_id) for job_id in jobs.all_active(session)}
    for folder in folders:
        if folder.name not in active:
            shutil.rmtree(folder, ignore_errors=True)


def all_of(settings: Settings) -> Path:
    return settings.data_dir / "work"
