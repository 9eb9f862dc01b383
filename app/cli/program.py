"""One program that the stack runs: how it is started, stopped, and what it last said."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any


@dataclass(frozen=True)
class Account:
    """Whom a program runs as; used as root only, for PostgreSQL refuses to run as root."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command with its surroundings; `grace` is seconds between the stop signal and SIGKILL."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0


def start(program: Program) -> "subprocess.Popen[bytes]":
    """Start it in a session of its own, so that Ctrl-C in our terminal reaches only us."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.environment},
            start_new_session=True,
            umask=0o077,  # weights and schedules are for nobody else
            **as_account(program.account),
        )


def as_account(account: Account | None) -> dict[str, Any]:
    """The arguments with which `subprocess` gives root's powers away for good."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def stop(*running: "tuple[Program, subprocess.Popen[bytes]]") -> None:
    """Ask all of them at once to stop, wait, and kill the process groups of those that did not."""
    for program, process in running:
        if process.poll() is None:
            process.send_signal(program.stop_signal)
    asked = monotonic()
    for program, process in running:
        wait(process, seconds=asked + program.grace - monotonic())
        # The leader may be gone and its children not: the group outlives it.
        kill_group(process.pid)
        process.wait()


def wait(process: "subprocess.Popen[bytes]", *, seconds: float) -> bool:
    """Whether it ends within so many seconds."""
    deadline = monotonic() + seconds
    while process.poll() is None and monotonic() < deadline:
        sleep(0.02)
    return process.returncode is not None


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that this process led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def ending(returncode: int) -> str:
    """How a process ended, in words: its exit code, or the name of the signal that ended it."""
    if returncode >= 0:
        return f"exit code {returncode}"
    return f"signal {signal.Signals(-returncode).name}"


def last_lines(log: Path, count: int = 15) -> list[str]:
    """The end of a log; at most the last 16 KiB of it are read."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2**14))
        return file.read().decode(errors="replace").splitlines()[-count:]
