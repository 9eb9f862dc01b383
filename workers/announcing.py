"""A worker's announcement: which recipes it can run, on what; then a sign of life now and then."""

import json
import subprocess
import sys
import threading
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from app.db import transaction
from app.ledger import announcements
from workers import work_folders
from workers.station import Station, station

log = structlog.get_logger()
SIGNS_PER_ABSENCE = 3
ended = threading.Event()


def begin() -> None:
    """Start the thread that announces this worker and keeps the announcement fresh."""
    ended.clear()
    threading.Thread(target=announce, args=(station(),), daemon=True).start()


def end() -> None:
    ended.set()


def announce(here: Station) -> None:
    """Announce, then say now and then that the worker is still there.

    As often it clears up after workers that were killed: they worked in the same folder.
    """
    pause = here.settings.worker_gone_seconds / SIGNS_PER_ABSENCE
    announced = False
    while True:
        try:
            if announced:
                still_there(here)
            else:
                say_what_runs_here(here)
            announced = True
            work_folders.clear(here)
        except (OperationalError, subprocess.CalledProcessError):
            log.exception("not_announced", again_in_seconds=pause)
        if ended.wait(pause):
            return


def say_what_runs_here(here: Station) -> None:
    """Write the whole announcement."""
    facts = described()
    log.info("announcing", recipes=sorted(facts["recipes"]), broken=facts["broken"])
    with transaction(here.sessions) as session:
        announcements.announce(
            session,
            here.name,
            incarnation=here.incarnation,
            recipes=facts["recipes"],
            device=facts["device"],
            versions=facts["versions"],
            now=here.clock(),
        )


def still_there(here: Station) -> None:
    """Write the time."""
    with transaction(here.sessions) as session:
        announcements.seen(session, here.name, now=here.clock())


def described() -> dict[str, Any]:
    """What can be run here, told by a process of its own: this one must stay free of torch."""
    told = subprocess.run(
        [sys.executable, "-m", "workers.describe"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(told.stdout))
