"""Real Celery workers beside the API, on a database and a broker of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import URL
from starlette.testclient import TestClient

from app import log_key
from app.config import Settings
from app.db import connect, sessions_of
from app.main import create_app
from app.queue import CeleryQueue
from app.store import Store
from tests.conftest import database, plain
from tests.factories import NOW
from workers.station import Station

PATIENCE = 180.0  # seconds; on machines that others use too, a training of one takes forty
SOON = 15.0  # seconds for what the clerk does in its next turns
CELERY = (sys.executable, "-m", "celery", "-A", "workers.celery_app")


class Stack:
    """The API in this process; workers that a test may start and kill."""

    def __init__(self, environment: dict[str, str], http: TestClient) -> None:
        self.environment = environment
        self.http = http
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        self.processes[name] = subprocess.Popen(
            [*CELERY, *arguments], env=os.environ | self.environment, start_new_session=True
        )

    def start_worker(self) -> None:
        self.start("worker", "worker", "-Q", "jobs", "--concurrency", "1", "-n", "worker@%h")

    def start_courier(self) -> None:
        self.start(
            "courier", "worker", "-Q", "errands", "--pool", "threads", "-c", "2", "-n", "courier@%h"
        )

    def start_clerk_and_beat(self) -> None:
        self.start("clerk", "worker", "-Q", "chores", "--concurrency", "1", "-n", "clerk@%h")
        schedule = Path(self.environment["LACUNA_DATA_DIR"]) / "beat"
        self.start("beat", "beat", "--schedule", str(schedule))

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a process and all that came of it."""
        process = self.processes.pop(name)
        os.killpg(process.pid, how)
        process.wait()

    def until(
        self, what: Callable[[], Any], *, seconds: float = PATIENCE, every: float = 0.5
    ) -> Any:
        """Wait until it is true, and give it back; to look costs the core that is waited for."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(every)
        return found

    def get(self, path: str) -> Any:
        response = self.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, **body: Any) -> Any:
        response = self.http.post(path, **body)
        assert response.is_success, response.text
        return response.json()


@pytest.fixture(scope="module")
def stack(
    database_server: URL, template: URL, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack whose workers know the tiny recipe; leases are short, so that tests need not wait."""
    folder = tmp_path_factory.mktemp("stack")
    with database(database_server, template=template) as url:
        settings = Settings(
            database_url=plain(url),
            redis_url=valkey_url,
            data_dir=folder,
            pepper=SecretStr("pepper"),
            worker_gone_seconds=9,
            webhook_http=True,
            webhook_private_hosts="127.0.0.1",
        )
        environment = {
            "LACUNA_DATABASE_URL": settings.database_url,
            "LACUNA_REDIS_URL": settings.redis_url,
            "LACUNA_DATA_DIR": str(folder),
            "LACUNA_PEPPER": "pepper",
            "LACUNA_RECIPES": "tests.workers.tiny:recipe",
            "LACUNA_LEASE_SECONDS": "4",
            "LACUNA_SWEEP_SECONDS": "1",
            "LACUNA_WORKER_GONE_SECONDS": "9",
            "LACUNA_WEBHOOK_HTTP": "true",
            "LACUNA_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        }
        log_key.make(settings)
        with TestClient(create_app(settings)) as http:
            stack = Stack(environment, http)
            stack.start_worker()
            stack.start_clerk_and_beat()
            yield stack
            for name in list(stack.processes):
                stack.kill(name)


@pytest.fixture
def station(fresh_database: str, tmp_path: Path) -> Iterator[Station]:
    """What a worker process has at hand, with a database of its own and nobody to ring for."""
    engine = connect(fresh_database)
    settings = Settings(data_dir=tmp_path, log_key=SecretStr(""))
    yield Station(
        settings=settings,
        sessions=sessions_of(engine),
        store=Store(settings.store),
        queue=CeleryQueue("memory://"),
        clock=lambda: NOW,
    )
    engine.dispose()
