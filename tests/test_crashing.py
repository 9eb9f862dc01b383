"""Crash points: they do nothing unless told to, and then they kill at the passing asked for."""

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import crashing

ROOT = Path(__file__).parents[1]
PASSES = "from app import crashing\nfor _ in range(3): crashing.at('sweep.before_ring'); print('.')"


def run(**environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-u", "-c", PASSES],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("environment", "code", "passed"),
    [
        ({}, 0, "..."),
        ({"LACUNA_CRASH_AT": "sweep.after_ring"}, 0, "..."),
        ({"LACUNA_CRASH_AT": "sweep.before_ring"}, -signal.SIGKILL, ""),
        ({"LACUNA_CRASH_AT": "sweep.before_ring:3"}, -signal.SIGKILL, ".."),
    ],
)
def test_a_process_dies_where_it_is_told_to(
    environment: dict[str, str], code: int, passed: str
) -> None:
    assert run(**environment) == (code, passed)


def test_an_order_in_a_file_is_obeyed_once(tmp_path: Path) -> None:
    told = {"LACUNA_CRASH_AT": f"@{tmp_path / 'order'}"}

    assert run(**told) == (0, "...")
    (tmp_path / "order").write_text("sweep.before_ring")
    assert run(**told) == (-signal.SIGKILL, "")
    assert run(**told) == (0, "...")


def test_an_order_may_name_another_signal(tmp_path: Path) -> None:
    (tmp_path / "order").write_text("sweep.before_ring SIGTERM")

    assert run(LACUNA_CRASH_AT=f"@{tmp_path / 'order'}") == (-signal.SIGTERM, "")


def test_an_order_may_be_that_there_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_CRASH_AT", f"@{tmp_path / 'order'}")
    (tmp_path / "order").write_text("child.progress MemoryError")

    with pytest.raises(MemoryError):
        crashing.at("child.progress")
    crashing.at("child.progress")


def test_a_point_that_is_not_listed_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="is no point"):
        crashing.at("nowhere")


def test_every_point_that_is_listed_is_somewhere_in_the_code() -> None:
    found = set()
    for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "crashing.at":
                found.add(ast.unparse(node.args[0]).strip("'"))
    states = "(queued|training|assessing|unlearning|auditing|publishing)"  # of workers/desk.py
    patterns = [name.removeprefix("f'").replace("{came_from}", states) for name in found]

    unreached = [
        point
        for point in crashing.POINTS
        if not any(re.fullmatch(pattern, point) for pattern in patterns)
    ]

    assert unreached == []
