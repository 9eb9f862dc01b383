"""Fixtures for the whole project: a real PostgreSQL and a real Valkey, one of each per session.

`LACUNA_DATABASE_URL` and `LACUNA_REDIS_URL` run the same tests against servers of your own.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from sqlalchemy import URL, Engine, make_url, text
from sqlalchemy.orm import Session

from app.cli import embedded
from app.cli.leftovers import marked, watched
from app.db import connect
from app.schema import upgrade

FIRST = ("workers", "faults")  # tests that wait for real processes, minutes on end
# Nothing here outlives the session, so nothing has to reach the disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

hypothesis.settings.register_profile("lacuna", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("lacuna")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: else one process still waits when the others have ended."""
    items.sort(key=lambda item: Path(item.nodeid).parts[1] not in FIRST)


@pytest.fixture(scope="session")
def servers() -> Iterator[Path]:
    """A folder for embedded servers, with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="lacuna-tests-"))
    with watched(folder):  # they end also when pytest is killed
        yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def database_server(servers: Path) -> Iterator[URL]:
    """A PostgreSQL on which databases may be made and dropped."""
    if own := os.environ.get("LACUNA_DATABASE_URL"):
        yield make_url(own)
        return
    server = embedded.postgres(
        servers / "postgres",
        sockets=servers / "postgres-socket",
        log=servers / "postgres.log",
        environment=marked(servers),
        settings=NOT_DURABLE,
    )
    with embedded.running(server) as url:
        yield make_url(url)


@pytest.fixture(scope="session")
def template(database_server: URL) -> Iterator[URL]:
    """A database with our schema and no rows, made by the real migrations."""
    with database(database_server) as url:
        upgrade(plain(url))
        yield url


@pytest.fixture(scope="session")
def engine(database_server: URL, template: URL) -> Iterator[Engine]:
    """Connections to the database whose changes every test rolls back."""
    with database(database_server, template=template) as url:
        engine = connect(plain(url))
        yield engine
        engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session in which code may commit for real; all of it is rolled back after the test."""
    with engine.connect() as connection, connection.begin() as everything:
        with Session(
            connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        ) as session:
            yield session
        # What the database checks at commit (app/ledger: every step has its entry) is checked here.
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        everything.rollback()


@pytest.fixture
def fresh_database(database_server: URL, template: URL) -> Iterator[str]:
    """The URL of a database for one test, for tests about locks, workers and other processes."""
    with database(database_server, template=template) as url:
        yield plain(url)


@pytest.fixture(scope="session")
def valkey_url(servers: Path) -> Iterator[str]:
    """A Valkey, as `LACUNA_REDIS_URL` wants it; what earlier tests left in it is still there."""
    if own := os.environ.get("LACUNA_REDIS_URL"):
        yield own
        return
    server = embedded.valkey(
        servers / "valkey",
        sockets=servers,
        log=servers / "valkey.log",
        environment=marked(servers),
    )
    with embedded.running(server) as url:
        yield url


@contextmanager
def database(server: URL, *, template: URL | None = None) -> Iterator[URL]:
    """A database of its own for as long as the block runs, empty or a copy of another."""
    name = f"test_{uuid4().hex}"
    copied = f" TEMPLATE {template.database}" if template else ""
    run_on(server, f"CREATE DATABASE {name}{copied}")
    yield server.set(database=name)
    run_on(server, f"DROP DATABASE {name} WITH (FORCE)")


def run_on(server: URL, statement: str) -> None:
    """Run a statement that may not stand in a transaction."""
    engine = connect(plain(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def plain(url: URL) -> str:
    """A URL as settings have it, password included."""
    return url.render_as_string(hide_password=False)
