"""`lacuna model` against a service that is played by a few canned answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import model
from app.cli.main import app

PLAN = {"trials": 8, "retrains": 9.0, "seconds": 125.0}
CELL = {
    "share": 0.05,
    "memorized": True,
    "skewed": False,
    "samples": 20,
    "memorized_share": 0.9,
    "stratum_share": 0.25,
    "verdict": "pass",
    "seconds": {"unlearn": 0.3, "retrain": 2.0},
    "gaps": {"forget": 0.1, "test": -0.02},
}
TAUGHT = {
    "job": "j1",
    "method": "hamu",
    "rule": "matched",
    "stratum_share": 0.1,
    "memorized_share": None,
    "exposed_share": None,
    "precedents": [
        {"share": 0.01, "escalated": False, "unlearn": 0.1},
        {"share": 0.05, "escalated": True, "unlearn": 0.3},
    ],
}
FOUND = {"plan": PLAN, "job": "j1", "state": "succeeded", "cells": [CELL], "taught": TAUGHT}
NEVER: dict[str, Any] = {"plan": PLAN, "job": None, "state": None, "cells": [], "taught": None}
Answers = dict[str, Callable[[], tuple[int, Any]]]


@contextmanager
def serving(answers: Answers) -> Iterator[tuple[str, list[str]]]:
    """A service with these answers; yields its URL and the calls it gets."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(f"{self.command} {self.path}")
            status, body = answers[calls[-1]]()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        do_POST = do_GET  # noqa: N815, the name is the library's

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["model", *arguments])


def job_told(*states: str, error: Any = None) -> Callable[[], tuple[int, Any]]:
    """A job that is in these states, one after the other."""
    left, progress = iter(states), {"share": 0.5, "words": "trial 4"}
    return lambda: (
        200,
        {"id": "j1", "state": next(left), "progress": progress, "error": error},
    )


def test_a_dry_run_says_the_cost_and_asks_for_nothing() -> None:
    with serving({"GET /v1/models/faces/calibration": lambda: (200, NEVER)}) as (url, calls):
        done = invoke("calibrate", "faces", "--dry-run", "--api", url)

    assert done.exit_code == 0
    assert "8 trials" in done.stdout
    assert "about 9 retrains, some 2 min 5 s here" in done.stdout
    assert calls == ["GET /v1/models/faces/calibration"]


def test_a_calibration_is_followed_to_its_end_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "POLL_SECONDS", 0.0)
    answers: Answers = {
        "GET /v1/models/faces/calibration": lambda: (200, FOUND),
        "POST /v1/models/faces:calibrate": lambda: (202, {"id": "j1"}),
        "GET /v1/jobs/j1": job_told("queued", "training", "succeeded"),
    }

    with serving(answers) as (url, calls):
        done = invoke("calibrate", "faces", "--api", url)

    assert done.exit_code == 0
    assert calls.count("GET /v1/jobs/j1") == 3
    (row,) = (line.split() for line in done.stdout.splitlines() if line.startswith("  5%"))
    assert row == ["5%", "memorized", "20", "90%", "25%", "pass", "0.15", "+0.100", "-0.020"]
    assert "stratum_share    0.1" in done.stdout
    assert "memorized_share  the default" in done.stdout
    assert "cost             0.2 of a retrain" in done.stdout
    assert "escalated        1 of 2" in done.stdout


def test_a_calibration_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "POLL_SECONDS", 0.0)
    answers: Answers = {
        "GET /v1/models/faces/calibration": lambda: (200, NEVER),
        "POST /v1/models/faces:calibrate": lambda: (202, {"id": "j1"}),
        "GET /v1/jobs/j1": job_told("failed", error={"detail": "losses() gave []"}),
    }

    with serving(answers) as (url, _):
        done = invoke("calibrate", "faces", "--api", url)

    assert done.exit_code == 1
    assert "j1 was failed" in done.stderr
    assert "losses() gave []" in done.stderr


def test_a_model_that_was_never_calibrated_is_shown_as_such() -> None:
    with serving({"GET /v1/models/faces/calibration": lambda: (200, NEVER)}) as (url, _):
        done = invoke("calibration", "faces", "--api", url)

    assert "Never calibrated" in done.stdout


def test_a_refusal_is_shown_as_the_service_words_it() -> None:
    problem = {"title": "There is no model of this name.", "detail": "no model called 'x'"}

    with serving({"GET /v1/models/x/calibration": lambda: (404, problem)}) as (url, _):
        done = invoke("calibration", "x", "--api", url)

    assert done.exit_code == 1
    assert done.stderr.strip() == "There is no model of this name. no model called 'x'"


def test_a_service_that_is_not_there_is_named() -> None:
    done = invoke("calibration", "x", "--api", "http://127.0.0.1:9")

    assert done.exit_code == 1
    assert "http://127.0.0.1:9 does not answer" in done.stderr


def test_without_a_stack_the_way_out_is_said(tmp_path: Any) -> None:
    done = invoke("calibration", "x", "--data-dir", str(tmp_path))

    assert done.exit_code == 1
    assert "Start it with: lacuna up, or name a service: --api URL" in done.stderr


def test_help_teaches() -> None:
    done = invoke("--help")

    assert "calibrat" in done.stdout
    assert "Nobody is forgotten" in " ".join(done.stdout.replace("│", " ").split())


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"", b"[1]"])
def test_a_refusal_that_is_not_the_services_own_is_named(body: bytes) -> None:
    with serving({"GET /v1/models/x/calibration": lambda: (502, body)}) as (url, _):
        done = invoke("calibration", "x", "--api", url)

    assert done.exit_code == 1
    assert f"{url}/v1/models/x/calibration answers 502 Bad Gateway" in done.stderr
