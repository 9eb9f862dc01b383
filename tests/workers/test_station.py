"""What processes that are forked from one another do not share."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.config import settings
from app.db import transaction
from workers import station as stations


@pytest.fixture
def own(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LACUNA_DATABASE_URL", fresh_database)
    settings.cache_clear()
    stations.station.cache_clear()
    yield
    stations.station().sessions.kw["bind"].dispose()
    stations.station.cache_clear()
    settings.cache_clear()


def backend() -> str:
    """Whom this process talks to at the database, and as which incarnation."""
    here = stations.station()
    with transaction(here.sessions) as session:
        return f"{session.scalar(text('SELECT pg_backend_pid()'))} {here.incarnation}"


@pytest.mark.usefixtures("own")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_connections_and_an_incarnation_of_its_own() -> None:
    ours = backend()
    reader, writer = os.pipe()

    if (child := os.fork()) == 0:
        os.write(writer, backend().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 1000).decode()

    assert set(theirs.split()).isdisjoint(ours.split())
    assert backend() == ours
