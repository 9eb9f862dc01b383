"""Finds and ends what a stack that died left running, however deep its children sit.

Every program of a stack carries its data folder in its environment, and its children inherit it:
neither a new session nor a lost parent hides them. `python -m app.cli.leftovers FOLDER` is the
watchdog: it waits until the process that started it is gone, and ends what that left behind.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.cli.surroundings import of_python

MARK = "LACUNA_STACK"
GRACE = 5.0  # seconds to go by themselves


def marked(data_dir: Path) -> dict[str, str]:
    """What to add to a program's environment, so that it and its children are found again.

    Celery uses `setproctitle` where that is installed; it must not overwrite the environment.
    """
    return {MARK: str(data_dir), "SPT_NOENV": "1"}


def left_over(data_dir: Path) -> list[psutil.Process]:
    """All living processes that carry this folder's mark."""
    return [process for process in psutil.process_iter() if carries(process, str(data_dir))]


def carries(process: psutil.Process, mark: str) -> bool:
    """Whether a process is one of this stack's; those of other users we may not ask."""
    try:
        return process.environ().get(MARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def end(data_dir: Path, *, grace: float = GRACE) -> int:
    """End all that is left over; returns how many there were."""
    found = left_over(data_dir)
    for process in found:
        ask_to_end(process)
    psutil.wait_procs(found, timeout=grace)
    # Looked for anew: what was asked to end may have started something meanwhile.
    while stubborn := left_over(data_dir):
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=GRACE)
    return len(found)


def ask_to_end(process: psutil.Process) -> None:
    """SIGTERM; SIGINT for PostgreSQL, whose SIGTERM waits for its clients."""
    try:
        if process.name() == "postgres":
            process.send_signal(signal.SIGINT)
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


@contextmanager
def watched(data_dir: Path, *keep_open: int) -> Iterator[None]:
    """While the block runs, a watchdog stands by: should we be killed, it ends what we started.

    It holds the files of `keep_open` until then, so that a lock on one is free only afterwards.
    """
    watchdog = subprocess.Popen(
        [sys.executable, "-m", "app.cli.leftovers", str(data_dir)],
        stdin=subprocess.PIPE,
        env={**os.environ, **of_python()},
        start_new_session=True,
        pass_fds=keep_open,
    )
    try:
        yield
    finally:
        watchdog.communicate()  # closes its standard input: that is what it waits for


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(Path(sys.argv[1]))
