"""What a worker has at hand: connections, the store, its name, a clock."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from uuid import UUID, uuid4

from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.config import Settings, settings
from app.db import connect, sessions_of
from app.queue import CeleryQueue, Queue
from app.store import Store

NAME = "LACUNA_WORKER_NAME"  # set by Celery's own name for the worker, for all that it forks


@dataclass(frozen=True)
class Station:
    """One worker process; its incarnation changes when it is started anew."""

    settings: Settings
    sessions: sessionmaker[Session]
    store: Store
    queue: Queue
    name: str = field(default_factory=lambda: os.environ.get(NAME) or socket.gethostname())
    incarnation: UUID = field(default_factory=uuid4)
    clock: Callable[[], datetime] = clock.now


@cache
def station() -> Station:
    """This process's own: `start_afresh` sees to it that no connection is shared."""
    config = settings()
    return Station(
        settings=config,
        sessions=sessions_of(connect(config.database_url)),
        store=Store(config.store),
        queue=CeleryQueue(config.redis_url),
    )


def start_afresh() -> None:
    """After a fork: the parent goes on using the connections that it had, and so must not we.

    A pool process that takes a dead one's place is forked from a parent which has a station.
    """
    if station.cache_info().currsize:
        station().sessions.kw["bind"].dispose(close=False)
        station.cache_clear()


os.register_at_fork(after_in_child=start_afresh)
