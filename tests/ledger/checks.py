"""What the database checks, tried out inside a test's own transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What happens in the block is taken back."""
    step = session.begin_nested()
    try:
        yield
    finally:
        step.rollback()


def check_now(session: Session) -> None:
    """Have the database check at once what it checks at commit."""
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
