"""Starts a stack that outlives the command which started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

from app.cli import address, data_folder
from app.cli.data_folder import InUse, Stack
from app.cli.stack import Plan
from app.cli.surroundings import of_python

PATIENCE = 60.0  # seconds until its API must answer
PAUSE = 0.1


class DidNotStart(Exception):
    """The stack ended, or its API did not answer in time; the message is what it said."""


def start_detached(plan: Plan) -> Stack:
    """Start the stack in the background and return when its API answers.

    Raises `InUse` and `DidNotStart`.
    """
    if data_folder.is_held(plan.data_dir):
        raise InUse(plan.data_dir)
    data_folder.make(plan.data_dir)
    log = plan.data_dir / "logs" / "lacuna.log"
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli.main", "up", *arguments(plan)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **of_python()},
            start_new_session=True,
        )
    try:
        return answer(plan, process, log, before)
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise


def arguments(plan: Plan) -> list[str]:
    """The options that make the same plan in another process."""
    workers = ["--workers", str(plan.workers)] if plan.workers else ["--no-worker"]
    address = ["--host", plan.host, "--port", str(plan.port)]
    # Whoever detached it shows the first API key; it has no place in a log.
    return ["--data-dir", str(plan.data_dir), *address, *workers, "--no-first-key"]


def answer(plan: Plan, process: "subprocess.Popen[bytes]", log: Path, before: int) -> Stack:
    """Wait for its API; what stands in the log since then is told where it does not come."""
    deadline = monotonic() + PATIENCE
    while process.poll() is None and monotonic() < deadline:
        stack = data_folder.running(plan.data_dir)
        if stack and stack.pid == process.pid and address.answers(plan.host, plan.port):
            return stack
        sleep(PAUSE)
    with log.open("rb") as file:
        file.seek(before)
        said = file.read().decode(errors="replace").strip()
    if process.poll() is None:
        said += f"\nIts API does not answer after {PATIENCE:.0f} s; it is stopped."
    raise DidNotStart(said)
