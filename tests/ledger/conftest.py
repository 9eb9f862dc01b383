"""Several transactions at once, on a database of their own."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.db import connect, sessions_of, transaction

WHILE = 0.2  # seconds after which somebody who has not come back is taken to be waiting
Background = Callable[[Callable[[Session], Any]], "Future[Any]"]


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[sessionmaker[Session]]:
    engine = connect(fresh_database)
    yield sessions_of(engine)
    engine.dispose()


@pytest.fixture
def background(sessions: sessionmaker[Session]) -> Iterator[Background]:
    """Runs something in a transaction of its own beside the test's."""
    with ThreadPoolExecutor(8) as pool:

        def start(action: Callable[[Session], Any]) -> "Future[Any]":
            def run() -> Any:
                with transaction(sessions) as session:
                    return action(session)

            return pool.submit(run)

        yield start


def waits(running: "Future[Any]") -> bool:
    """Whether it has not come to its end after a while."""
    try:
        running.exception(timeout=WHILE)
    except TimeoutError:
        return True
    return False
