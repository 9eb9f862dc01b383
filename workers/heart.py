"""Keeps a job's lease while its child works, and stops the child when the job is no longer ours."""

import threading
import time
from collections.abc import Callable
from typing import Self
from uuid import UUID

import structlog
from sqlalchemy.exc import OperationalError

from app import crashing
from app.db import transaction
from app.ledger import jobs
from workers.station import Station

log = structlog.get_logger()
BEATS_PER_LEASE = 3


class Heart:
    """A thread that renews the lease and writes progress; `stop_child` is called when it must end.

    `lost`: another worker has the job. `cancelled`: somebody asked to cancel it.
    """

    def __init__(
        self, station: Station, job_id: UUID, fence: int, stop_child: Callable[[], None]
    ) -> None:
        self.station = station
        self.job_id = job_id
        self.fence = fence
        self.stop_child = stop_child
        self.lost = self.cancelled = False
        self.phase, self.share, self.words = "", 0.0, "starting"
        self.first: tuple[float, float] | None = None  # share and moment that a phase told first
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def begin(self, phase: str) -> None:
        """A new phase starts; its rest is predicted from how fast it goes."""
        self.phase, self.share, self.words = phase, 0.0, "starting"
        self.first = None

    def progress(self, share: float, words: str) -> None:
        self.share, self.words = share, words
        if self.first is None:  # one of several, or one that was killed, does not begin at nought
            self.first = share, time.monotonic()

    def beat(self) -> None:
        """Renew, until told to end; progress is shown about once a second."""
        pause = min(1.0, self.station.settings.lease_seconds / BEATS_PER_LEASE)
        while not self.ended.wait(pause):
            try:
                self.renew()
            except jobs.LeaseLost:
                self.lost = True
            except OperationalError:
                # The database may be restarting; if it stays away, the lease runs out by itself.
                log.warning("heartbeat_missed", job=str(self.job_id))
            if self.lost or self.cancelled:
                self.stop_child()
                return

    def renew(self) -> None:
        with transaction(self.station.sessions) as session:
            self.cancelled = jobs.renew(
                session,
                self.job_id,
                self.fence,
                progress=self.told(),
                lease_seconds=self.station.settings.lease_seconds,
                now=self.station.clock(),
            )
            crashing.at("heartbeat.before_commit")
        crashing.at("heartbeat.after_commit")

    def told(self) -> dict[str, object]:
        """Progress as the job row has it."""
        return {
            "phase": self.phase,
            "share": self.share,
            "words": self.words,
            "eta_seconds": self.eta_seconds,
        }

    @property
    def eta_seconds(self) -> float | None:
        """What is left of the phase, at the pace at which it has gone since it told first."""
        share, first = self.share, self.first  # the worker's thread may begin another meanwhile
        if first is None or share <= first[0]:
            return None
        passed = time.monotonic() - first[1]
        return round(passed * (1 - share) / (share - first[0]), 1)
