"""The folders in which jobs are worked on: they hold people's data, so none outlasts its job.

Each claim has a folder of its own, named by its fence. A worker that lost its job and does not know
it yet writes where nobody looks any more.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import structlog

from app.db import transaction
from app.ledger import jobs
from workers.going_on import SUFFIX
from workers.station import Station

log = structlog.get_logger()


def root(station: Station) -> Path:
    return station.settings.data_dir / "work"


@contextmanager
def claim_folder(station: Station, job_id: UUID, fence: int) -> Iterator[Path]:
    """An empty folder but for the states that loops left at earlier claims of the job.

    Afterwards nothing else than such states is kept, and these only until the job has ended.
    """
    folder = root(station) / str(job_id) / str(fence)
    folder.mkdir(parents=True, mode=0o700)
    take_over(folder)
    try:
        yield folder
    finally:
        keep_states(folder)


def take_over(folder: Path) -> None:
    """Move here what loops left at earlier claims, and remove the rest of those."""
    earlier = [each for each in folder.parent.iterdir() if int(each.name) < int(folder.name)]
    for each in sorted(earlier, key=lambda path: int(path.name)):
        for state in each.glob(f"*{SUFFIX}"):
            state.replace(folder / state.name)
        shutil.rmtree(each, ignore_errors=True)


def keep_states(folder: Path) -> None:
    """Remove whatever is no state to go on from, and the folders if nothing is left."""
    for path in folder.glob("*"):
        if path.suffix != SUFFIX:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # something is left, or another claim has the job
        folder.rmdir()
        folder.parent.rmdir()


def tidy(station: Station) -> None:
    """Remove the folders of jobs that have ended, whoever worked on them here and was killed."""
    if not root(station).exists():
        return
    found = {path: UUID(path.name) for path in root(station).iterdir()}
    with transaction(station.sessions) as session:
        active = jobs.still_active(session, found.values())
    for path, job_id in found.items():
        if job_id not in active:
            shutil.rmtree(path, ignore_errors=True)
            log.info("work_folder_removed", job=str(job_id))
