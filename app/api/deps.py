"""What routes ask for: a session, the queue, the store, the settings, the time.

What does not wait for anything is `async`: FastAPI calls the rest in a thread, a hop for each.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from app import clock
from app.config import Settings
from app.db import transaction
from app.queue import Queue
from app.store import Store

IN_MEMORY = 1 << 20


def get_session(request: Request) -> Iterator[Session]:
    """One request is one transaction."""
    with transaction(request.app.state.sessions) as session:
        yield session


async def get_queue(request: Request) -> Queue:
    return request.app.state.queue


async def get_store(request: Request) -> Store:
    return request.app.state.store


async def get_settings(request: Request) -> Settings:
    return request.app.state.settings


async def get_now() -> datetime:
    """The time of this request; tests replace it."""
    return clock.now()


async def spooled_body(request: Request) -> AsyncIterator[IO[bytes]]:
    """The body as a file, large ones on disk; how large it may be is the middleware's to say."""
    with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        yield file


# scope="function": the commit comes before the answer leaves, so a 202 is never a lie.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
QueueDep = Annotated[Queue, Depends(get_queue)]
StoreDep = Annotated[Store, Depends(get_store)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
NowDep = Annotated[datetime, Depends(get_now)]
SpooledDep = Annotated[IO[bytes], Depends(spooled_body, scope="function")]
ValidateOnly = Annotated[
    bool, Query(description="Check everything and change nothing; the answer is 200 or a refusal.")
]
