import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.cli.program import Program, start, stop
from app.cli.supervisor import HEALTHY_AFTER, Child, stop_all
from tests.cli.waiting import soon


def make_program(folder: Path, script: str, *, grace: float = 10.0) -> Program:
    return Program(name="it", command=("sh", "-c", script), log=folder / "it.log", grace=grace)


def news_of(child: Child) -> str:
    """What there is to tell of it next."""
    return soon(child.look)


def lines_of(program: Program) -> list[str]:
    return program.log.read_text().splitlines()


def test_a_crash_is_told_with_exit_code_and_last_lines(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "echo one; echo two >&2; exit 3"))
    child.start()

    told = news_of(child)

    assert told.splitlines() == [
        f"it ended with exit code 3; it is restarted in 1 s. {tmp_path / 'it.log'} ends:",
        "one",
        "two",
    ]
    assert (child.state.state, child.state.pid) == ("waiting to restart", None)


def test_a_signal_that_ended_a_child_is_told_by_name(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "kill -KILL $$"))
    child.start()

    told = news_of(child)

    assert told.startswith("it ended with signal SIGKILL;")


def test_each_restart_waits_twice_as_long_up_to_thirty_seconds(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "true"))

    delays = [child.ended(1).split("restarted in ")[1].split(" s.")[0] for _ in range(7)]

    assert delays == ["1", "2", "4", "8", "16", "30", "30"]


def test_who_ran_for_a_minute_is_restarted_soon_again(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "true"))
    for _ in range(5):
        child.ended(1)

    child.started_at -= HEALTHY_AFTER

    assert "restarted in 1 s" in child.ended(1)


def test_a_child_is_restarted_when_its_time_has_come_and_not_before(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "sleep 60"))
    child.start().kill()
    news_of(child)

    early = child.look()
    child.due_at -= 1.0
    late = child.look()

    assert (early, late) == (None, "it is started again")
    assert (child.state.state, child.state.restarts) == ("running", 1)
    stop_all(child)


def test_a_healthy_child_is_nothing_to_tell_of(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "sleep 60"))
    child.start()

    assert child.look() is None

    stop_all(child)


def test_stopping_gives_time_to_finish(tmp_path: Path) -> None:
    program = make_program(tmp_path, 'trap "echo finished; exit 0" TERM; echo up; sleep 60 & wait')
    process = start(program)
    soon(lambda: "up" in lines_of(program))

    stop((program, process))

    assert process.returncode == 0
    assert lines_of(program) == ["up", "finished"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started may be interrupted, though pytest itself runs in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_stop_signal_is_the_programs_own(tmp_path: Path) -> None:
    script = 'trap "echo INT; exit 0" INT; echo up; sleep 60 & wait'
    program = Program(
        name="it",
        command=("sh", "-c", script),
        log=tmp_path / "it.log",
        stop_signal=signal.SIGINT,
    )
    process = start(program)
    soon(lambda: "up" in lines_of(program))

    stop((program, process))

    assert lines_of(program) == ["up", "INT"]


def test_a_child_that_will_not_stop_is_killed_with_all_it_started(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"
    program = make_program(tmp_path, script, grace=0.1)
    process = start(program)
    below = int(soon(lambda: lines_of(program))[0])

    stop((program, process))

    assert process.returncode == -signal.SIGKILL
    soon(lambda: ended(below))


def test_what_a_crashed_child_started_does_not_work_on(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "sleep 60 & echo $!; exit 1"))
    child.start()

    news_of(child)

    soon(lambda: ended(int(lines_of(child.program)[0])))


def test_stopping_what_waits_for_its_restart_starts_nothing(tmp_path: Path) -> None:
    child = Child(make_program(tmp_path, "exit 1"))
    child.start()
    news_of(child)

    stop_all(child)

    assert child.process is None


@pytest.mark.parametrize("lines", [1, 15, 3000])
def test_only_the_end_of_a_log_is_told(tmp_path: Path, lines: int) -> None:
    child = Child(make_program(tmp_path, f"seq {lines}; exit 1"))
    child.start()

    told = news_of(child).splitlines()[1:]

    assert told == [str(n) for n in range(1, lines + 1)][-15:]


def ended(pid: int) -> bool:
    """Whether a process is gone; one that nobody has buried yet counts as gone."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
