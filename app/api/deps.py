"""What routes ask for: a session, the queue, the store, the settings, the time.

What does not wait for anything is `async`: FastAPI calls the rest in a thread, a hop for each.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session

from app import clock
from app.config import Settings
from app.queue import Queue
from app.store import Store

IN_MEMORY = 1 << 20


async def get_session(request: Request) -> AsyncIterator[Session]:
    """One request is one transaction.

    It says nothing to the database before its first statement, so only its end is for a thread.
    """
    session: Session = request.app.state.sessions()
    try:
        yield session
    except BaseException:
        await ended(session.close)
        raise
    await ended(partial(commit, session))


async def ended(end: Callable[[], None]) -> None:
    """End a transaction, also where the caller is gone: a connection must come back to the pool.

    Its thread is none of those that routes run in: they may all wait for connections.
    """
    with CancelScope(shield=True):
        await to_thread.run_sync(end, limiter=CapacityLimiter(1))


def commit(session: Session) -> None:
    """Commit, or roll back where that is refused."""
    with session:
        session.commit()


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
