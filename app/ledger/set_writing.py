"""Writes many rows of a table by one statement, and leaves them to the session as its own."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, inspect
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from app.db import Base


def insert_all(session: Session, rows: Sequence[Base]) -> None:
    """Add rows of one table that the session does not hold yet; ids and states are given.

    Afterwards they are as if the session had read them: nothing of them is written again.
    """
    if not rows:
        return
    values = [written(row) for row in rows]
    session.connection().execute(insert(type(rows[0])), values)
    for row in rows:
        make_transient_to_detached(row)
    session.add_all(rows)


def written(row: Base) -> dict[str, Any]:
    """The values of a row, which the session takes from now on for those in the database."""
    values = {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}
    for key, value in values.items():
        set_committed_value(row, key, value)
    return values
