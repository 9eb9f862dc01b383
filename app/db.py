"""Connections, transactions, and the base of all tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Engine, LargeBinary, MetaData, String, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeDecorator

from app.bitmap import Bitmap


class BitmapColumn(TypeDecorator[Bitmap]):
    """A set of ordinals, stored as a serialised roaring bitmap."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Bitmap | None, dialect: object) -> bytes | None:
        return None if value is None else value.to_bytes()

    def process_result_value(self, value: bytes | None, dialect: object) -> Bitmap | None:
        return None if value is None else Bitmap.from_bytes(value)


class Base(DeclarativeBase):
    """Names of constraints, and how Python types are stored."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        Bitmap: BitmapColumn,
        str: String,
    }


class Table(Base):
    """A table whose rows have an id of their own."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


def connect(url: str, **options: Any) -> Engine:
    """An engine for this database; a connection that died is replaced before use."""
    return create_engine(url, pool_pre_ping=True, **options)


def sessions_of(engine: Engine) -> sessionmaker[Session]:
    """Sessions whose rows stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One session, one transaction: committed at the end, rolled back on any exception."""
    with sessions() as session, session.begin():
        yield session


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Session]:
    """One transaction on this database, for a command that does nothing else there."""
    engine = connect(url, **options)
    try:
        with transaction(sessions_of(engine)) as session:
            yield session
    finally:
        engine.dispose()
