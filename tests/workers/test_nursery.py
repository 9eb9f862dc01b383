"""What the children of a nursery inherit and what they do not, and who outlives whom."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.waiting import soon
from tests.workers.births import scripted
from workers import nursery as births
from workers.child_process import Child, ChildDied
from workers.nursery import Nursery

ANSWERS = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    told = {"pid": os.getpid(), "env": dict(os.environ), "files": os.listdir("/proc/self/fd")}
    print(json.dumps({"result": told}), flush=True)
"""


@pytest.fixture(scope="module")
def answering() -> Nursery:
    return scripted(ANSWERS)


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """Nurseries that a test made in this process's own name end with it."""
    births.of_process.cache_clear()
    yield
    births.of_process.cache_clear()


def gone(pid: int) -> bool:
    """A zombie is: where nobody buries orphans it stays one."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_has_its_supervisors_environment_of_today(
    tmp_path: Path, answering: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "one:recipe,äöü")
    with Child(tmp_path, answering) as first:
        assert first.ask("say", print)["env"] == dict(os.environ)
        monkeypatch.delenv("LACUNA_RECIPES")
        with Child(tmp_path, answering) as second:
            told = second.ask("say", print)

    assert told["env"] == dict(os.environ)
    assert told["pid"] == second.pid != first.pid


def test_births_leave_no_files_open_anywhere(tmp_path: Path, answering: Nursery) -> None:
    files = []
    for _ in range(3):
        with Child(tmp_path, answering) as child:
            told = child.ask("say", print)["files"]
        files.append((told, *map(open_files, (answering.process.pid, os.getpid()))))

    assert files[0] == files[1] == files[2]


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize(
    ("does", "how"),
    [
        ("raise SystemExit(3)", "exit code 3: it said nothing"),
        ("raise KeyError('ada')", "exit code 1: Traceback"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("import os; os.close(1); input()", "signal SIGKILL"),  # it hangs, and nobody can hear it
    ],
)
def test_how_a_child_ended_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, how: str
) -> None:
    monkeypatch.setattr("workers.child_process.GRACE", 1.0)
    with (
        Child(tmp_path, scripted(f"input()\n{does}")) as child,
        pytest.raises(ChildDied, match=f"the child ended in 'train' with {how}"),
    ):
        child.ask("train", print)


def test_what_does_not_end_by_itself_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child_process.GRACE", 0.1)
    with Child(tmp_path, scripted("import time; time.sleep(600)")) as child:
        pass

    assert child.process.code == -signal.SIGKILL
    assert gone(child.pid)


def test_a_child_that_died_unasked_is_let_go_in_peace(tmp_path: Path) -> None:
    with Child(tmp_path, scripted("raise SystemExit(3)")) as child:
        soon(lambda: gone(child.pid))
        with pytest.raises(ChildDied, match="exit code 3"):
            child.ask("train", print, much="x" * 2**17)


def test_a_child_outlives_its_nursery_and_dies_of_its_own_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = scripted(f"{ANSWERS}    if 'die' in asked: break")
    with Child(tmp_path, dying) as child:
        dying.process.kill()
        dying.process.wait()
        assert child.ask("say", print)["pid"] == child.pid
        child.ask("say", print, die=True)
        with pytest.raises(ChildDied, match="so nobody knows how: it said nothing"):
            child.ask("say", print)

    with pytest.raises(ConnectionError):
        Child(tmp_path, dying)


def test_after_its_death_a_nursery_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "Nursery", lambda: scripted(ANSWERS))
    first = births.own()
    assert births.own() is first
    first.process.kill()
    first.process.wait()

    assert births.own() is not first


def test_a_nursery_that_cannot_be_loaded_says_so() -> None:
    with pytest.raises(ConnectionError, match="the process that forks children has ended"):
        Nursery(("-c", "raise SystemExit('no torch here')"))


def test_a_fork_has_a_nursery_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "Nursery", lambda: scripted(ANSWERS))
    here = births.own()
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert births.own() is not here


def test_a_key_ends_neither(tmp_path: Path) -> None:
    nursery = scripted(ANSWERS)
    with Child(tmp_path, nursery) as child:
        nursery.process.send_signal(signal.SIGINT)
        os.kill(child.pid, signal.SIGINT)
        assert child.ask("say", print)["pid"] == child.pid


SUPERVISOR = """
import sys, time
from pathlib import Path
from tests.cli.waiting import soon
from tests.workers.births import scripted
from workers.child_process import Child
nursery = scripted(sys.argv[2])
with Child(Path(sys.argv[1]), nursery) as child:
    print(nursery.process.pid, child.ask("say", print)["pid"], flush=True)
    time.sleep(600)
"""


def test_nursery_and_child_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, tmp_path, ANSWERS], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert not any(map(gone, pids))
        supervisor.kill()

    assert len(pids) == 2
    soon(lambda: all(map(gone, pids)))


DRAWS = """
import numpy
from workers import child
child.Bench.draw = lambda bench: {"drawn": numpy.random.rand()}
child.come_to_life()
child.main()
"""
TOUCHED = """
import torch
from workers import child
torch.cuda._is_in_bad_fork = lambda: True
child.come_to_life()
"""


def test_where_cuda_was_touched_a_child_starts_afresh(tmp_path: Path) -> None:
    """And then is a child like any other, under the same pid."""
    with Child(tmp_path, Nursery(("-c", TOUCHED))) as child:
        command = psutil.Process(child.pid).cmdline
        soon(lambda: command()[1:] == ["-m", "workers.child", "alone"])
        with pytest.raises(ChildDied, match="has no attribute 'say'"):
            child.ask("say", print)


def test_children_draw_numbers_of_their_own(tmp_path: Path) -> None:
    nursery = Nursery(("-c", DRAWS))
    drawn = []
    for _ in range(2):
        with Child(tmp_path, nursery) as child:
            drawn.append(child.ask("draw", print)["drawn"])

    assert drawn[0] != drawn[1]
