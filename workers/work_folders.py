"""The folders in which jobs are worked on: they hold people's data, so none outlasts its job.

Each claim has a folder of its own, named by its fence. A worker that lost its job and does not know
it yet writes where nobody looks any more.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from app.config import Settings
from app.db import transaction
from app.ledger import jobs
from workers.child_process import STATE
from workers.station import Station


@contextmanager
def work_folder(station: Station, job_id: UUID, fence: int) -> Iterator[Path]:
    """An empty folder but for the states that loops left at earlier claims of the job.

    Afterwards nothing else than such states is kept, and these only until the job has ended.
    """
    folder = all_of(station.settings) / str(job_id) / str(fence)
    folder.mkdir(parents=True, mode=0o700)
    take_over(folder)
    try:
        yield folder
    finally:
        keep_states(folder)


def take_over(folder: Path) -> None:
    """Move here what loops left at earlier claims, and remove the rest of those."""
    claims = [path for path in folder.parent.iterdir() if path.name.isdigit()]
    earlier = [path for path in claims if int(path.name) < int(folder.name)]
    for each in sorted(earlier, key=lambda path: int(path.name)):
        for state in each.glob(f"*{STATE}"):
            state.replace(folder / state.name)
        shutil.rmtree(each, ignore_errors=True)


def remove_states(folder: Path) -> None:
    """Remove what loops of a step left: what they made is written down."""
    for state in folder.glob(f"*{STATE}"):
        state.unlink()


def keep_states(folder: Path) -> None:
    """Remove whatever is no state to go on from, and the folders if nothing is left."""
    for path in folder.glob("*"):
        if path.suffix != STATE:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # something is left, or another claim has the job
        folder.rmdir()
        folder.parent.rmdir()


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
