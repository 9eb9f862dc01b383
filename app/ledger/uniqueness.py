"""Lets the database say whether a name is free: of two who ask at once, one has to be refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import ServiceError


@contextmanager
def or_refuse(session: Session, refusal: ServiceError) -> Iterator[None]:
    """Write what the block adds; raise the refusal where a unique constraint forbids it."""
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise refusal from error
        raise
