import fcntl
import os
import subprocess
import sys
from pathlib import Path

from app.cli.leftovers import MARK, end, left_over, marked
from app.cli.surroundings import of_python
from tests.cli.waiting import soon

# Starts a child in a session of its own that starts another, and is then killed.
KILLED = """
import os, subprocess, sys, time
from pathlib import Path
from app.cli import data_folder
from app.cli.leftovers import marked, watched

folder = Path(sys.argv[1])
with data_folder.held(folder) as lock, watched(folder, lock):
    subprocess.Popen(
        ["sh", "-c", "setsid sleep 60 & setsid sleep 60 & wait"],
        env={**os.environ, **marked(folder)},
        start_new_session=True,
    )
    print("started", flush=True)
    time.sleep(60)
"""


def test_a_marked_process_is_found_in_whatever_session_it_hides(tmp_path: Path) -> None:
    environment = {**os.environ, **marked(tmp_path)}

    with subprocess.Popen(["setsid", "sleep", "60"], env=environment) as process:
        found = soon(lambda: left_over(tmp_path))
        count = end(tmp_path)

    assert [each.pid for each in found] == [process.pid]
    assert count == 1
    assert left_over(tmp_path) == []


def test_processes_of_other_stacks_are_left_alone(tmp_path: Path) -> None:
    environment = {**os.environ, **marked(tmp_path / "other")}

    with subprocess.Popen(["sleep", "60"], env=environment) as process:
        count = end(tmp_path)
        running = process.poll() is None
        process.kill()

    assert (count, running) == (0, True)


def test_who_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, **marked(tmp_path)}
    command = ["sh", "-c", "trap '' TERM; echo deaf; sleep 60"]

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end(tmp_path, grace=0.2)

    assert left_over(tmp_path) == []


def test_a_supervisor_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, **of_python()}

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        soon(lambda: len(left_over(tmp_path)) == 3)
        process.kill()

    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the watchdog holds it until it is done
    assert left_over(tmp_path) == []


def test_the_mark_names_the_folder(tmp_path: Path) -> None:
    assert marked(tmp_path)[MARK] == str(tmp_path)
