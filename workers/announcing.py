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
    """Announce, then say now and then that the worker is still there."""
    facts = described()
    log.info("announcing", recipes=sorted(facts["recipes"]), broken=facts["broken"])
    pause = here.settings.worker_gone_seconds / SIGNS_PER_ABSENCE
    known = False
    while True:
        try:
            known = write(here, facts, known=known)
        except OperationalError:
            log.warning("sign_of_life_missed")
        if ended.wait(pause):
            return


def write(here: Station, facts: dict[str, Any], *, known: bool) -> bool:
    """Write the announcement, or only the time once it is known."""
    with transaction(here.sessions) as session:
        if known:
            announcements.seen(session, here.name, now=here.clock())
        else:
            announcements.announce(
                session,
                here.name,
                incarnation=here.incarnation,
                recipes=facts["recipes"],
                device=facts["device"],
                versions=facts["versions"],
                now=here.clock(),
            )
    return True


def described() -> dict[str, Any]:
    """What can be run here, told by a process of its own: this one must stay free of torch."""
    told = subprocess.run(
        [sys.executable, "-m", "workers.recipe_command", "describe"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(told.stdout))
