"""What a worker has at hand: connections, the store, its name, a clock."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from uuid import UUID, uuid4

from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings, settings
from app.db import connect, sessions_of
from app.queue import CeleryQueue, Queue
from app.store import Store


@dataclass(frozen=True)
class Station:
    """One worker process; its incarnation changes when it is started anew."""

    settings: Settings
    sessions: sessionmaker[Session]
    store: Store
    queue: Queue
    name: str = field(default_factory=socket.gethostname)
    incarnation: UUID = field(default_factory=uuid4)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@cache
def station() -> Station:
    """This process's own; made after the fork, so that no connection is shared."""
    config = settings()
    return Station(
        settings=config,
        sessions=sessions_of(connect(config.database_url)),
        store=Store(config.store),
        queue=CeleryQueue(config.redis_url),
    )
