"""Writes many rows of a table by one statement; the session takes them over once all is written."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, insert, inspect
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.db import Base


def insert_all(connection: Connection, rows: Sequence[Base]) -> None:
    """Write rows of one table that the session does not hold; ids and states are given."""
    if rows:
        connection.execute(inserted(type(rows[0])), [values(row) for row in rows])


@cache
def inserted(table: type[Base]) -> Insert:
    """Built once: building it took as long as its execution."""
    return insert(table)


def take_over(session: Session, rows: Iterable[Base]) -> None:
    """Have the session take rows for what is in the database: nothing of them is written again.

    Rows that lead to each other are taken over together.
    """
    new = []
    for row in rows:
        if row in session:
            for key in columns(type(row)):
                set_committed_value(row, key, getattr(row, key))
            continue
        for key in columns(type(row)):
            if key not in vars(row):  # or it would be asked for
                set_committed_value(row, key, None)
        make_transient_to_detached(row)
        new.append(row)
    session.add_all(new)


def values(row: Base) -> dict[str, Any]:
    """What stands in its columns."""
    return {key: getattr(row, key) for key in columns(type(row))}


@cache
def columns(table: type[Base]) -> tuple[str, ...]:
    """What its columns are called."""
    return tuple(column.key for column in inspect(table).column_attrs)
