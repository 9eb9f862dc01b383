"""The whole stack as a user starts it: embedded servers, API, worker, clerk and beat."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from app.cli import data_folder
from app.cli.data_folder import ProcessState
from app.cli.leftovers import end, left_over
from app.cli.surroundings import of_python
from tests.cli.waiting import soon

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder in which nothing runs any more after the test, whatever the test did."""
    yield tmp_path / "data"
    end(tmp_path / "data", grace=0.0)


def lacuna(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LACUNA_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        env={**ours, **of_python(), "LACUNA_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def process(folder: Path, name: str) -> ProcessState | None:
    """A process of the running stack."""
    stack = data_folder.running(folder)
    return next((each for each in stack.processes if each.name == name), None) if stack else None


def successor(folder: Path, dead: ProcessState) -> ProcessState | None:
    """The process that runs in place of one that died, once it does."""
    now = process(folder, dead.name)
    return now if now and now.pid and now.restarts == dead.restarts + 1 else None


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The API's status and JSON answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answered = response.status, json.loads(response.read())
    connection.close()
    return answered


def test_a_stack_starts_heals_stops_and_keeps_its_data(folder: Path, port: int) -> None:
    up = lacuna(folder, "up", "--detach", "--port", str(port))
    assert up.returncode == 0, up.stderr
    assert f"http://127.0.0.1:{port}/docs" in up.stdout
    assert (ask(port, "POST", "/v1/datasets", {"name": "kept"}))[0] == 201

    soon(lambda: ask(port, "GET", "/v1/ledger/entries")[0] == 200)  # the clerk has signed it

    shown = lacuna(folder, "status")
    assert shown.returncode == 0, shown.stdout
    for name in ("postgres", "valkey", "api", "worker", "clerk", "courier", "beat"):
        assert name in shown.stdout

    second = lacuna(folder, "up", "--port", str(port))
    assert second.returncode == 1
    assert f"Lacuna runs already in {folder}" in second.stderr

    before = process(folder, "beat")
    assert before
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    after = soon(lambda: successor(folder, before))
    assert after.pid != before.pid
    assert "beat ended with signal SIGKILL" in (folder / "logs" / "lacuna.log").read_text()

    down = lacuna(folder, "down")
    assert down.returncode == 0, down.stderr
    assert left_over(folder) == []

    again = lacuna(folder, "up", "--detach", "--no-worker", "--port", str(port))
    assert again.returncode == 0, again.stderr
    assert ask(port, "GET", "/v1/datasets/kept")[1]["name"] == "kept"
    assert process(folder, "worker") is None

    stack = data_folder.running(folder)
    assert stack
    os.kill(stack.pid, signal.SIGKILL)
    soon(lambda: not data_folder.is_held(folder))
    assert left_over(folder) == []


def test_a_taken_port_is_told_before_anything_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        up = lacuna(folder, "up", "--port", str(taken))

    assert up.returncode == 1
    assert up.stderr == f"cannot listen on 127.0.0.1 port {taken}: Address already in use\n"
    assert not (folder / "postgres").exists()


def test_what_keeps_a_detached_stack_from_starting_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        up = lacuna(folder, "up", "--detach", "--port", str(taken))

    assert up.returncode == 1
    assert up.stderr == f"cannot listen on 127.0.0.1 port {taken}: Address already in use\n"
