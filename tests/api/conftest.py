"""The API in this process, on the session that is rolled back, with a fake queue and clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import deps
from app.auth import Auth
from app.config import Settings
from app.main import create_app
from tests.factories import NOW, PEPPER

UNUSED = "postgresql+psycopg:///unused"


@dataclass
class FakeQueue:
    """Notes who was rung for."""

    rung: list[tuple[str, UUID]] = field(default_factory=list)

    def ring(self, bell: str, row_id: UUID) -> None:
        self.rung.append((bell, row_id))


@dataclass
class Clock:
    """The time of the requests that follow."""

    now: datetime = NOW

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, pepper=PEPPER, timezone="Europe/Berlin", rate_limit=0)


@pytest.fixture(scope="session")
def routed() -> FastAPI:
    """Lends its routes to all others: FastAPI prepares each once, half a second for all."""
    return create_app(Settings(database_url=UNUSED), FakeQueue())


@pytest.fixture
def app(
    configured: Settings, session: Session, queue: FakeQueue, clock: Clock, routed: FastAPI
) -> Iterator[FastAPI]:
    """The application; each request has a transaction of its own inside the test's."""
    app = create_app(configured.model_copy(update={"database_url": UNUSED}), queue)
    app.router.routes = routed.router.routes
    app.dependency_overrides = routed.dependency_overrides  # the routes look there

    @contextmanager
    def transaction() -> Iterator[Session]:
        session.commit()  # what the test wrote so far is there, whatever becomes of the request
        with (
            Session(
                session.get_bind(), join_transaction_mode="create_savepoint", expire_on_commit=False
            ) as its_own,
            its_own.begin(),
        ):
            yield its_own

    @contextmanager
    def counting() -> Iterator[Connection]:
        with transaction() as its_own:
            yield its_own.connection()

    def get_session() -> Iterator[Session]:
        with transaction() as its_own:
            yield its_own

    app.dependency_overrides[deps.get_session] = get_session
    app.state.counting = SimpleNamespace(connect=counting)
    app.dependency_overrides[deps.get_now] = lambda: clock.now
    yield app
    app.dependency_overrides.clear()


@pytest.fixture
def keys_required(app: FastAPI, configured: Settings) -> None:
    """Have the application ask every caller for an API key."""
    app.state.settings = configured.model_copy(update={"auth": Auth.REQUIRED})


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


Call = Callable[..., Any]


@pytest.fixture
def post(http: TestClient) -> Call:
    """POST a JSON body that is taken; returns the answer."""

    def call(path: str, **body: Any) -> Any:
        response = http.post(path, json=body)
        assert response.is_success, response.text
        return response.json()

    return call


@pytest.fixture
def get(http: TestClient) -> Call:
    """GET what is there."""

    def call(path: str, **query: Any) -> Any:
        response = http.get(path, params=query)
        assert response.is_success, response.text
        return response.json()

    return call


@pytest.fixture
def refused(http: TestClient) -> Call:
    """Send what is refused; returns the problem document."""

    def call(method: str, path: str, status: int, code: str, **options: Any) -> Any:
        response = http.request(method, path, **options)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert (problem["code"], problem["status"]) == (code, status)
        assert problem["type"] == f"/problems/{code}"
        return problem

    return call
