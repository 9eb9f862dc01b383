"""Keeps a program running: restarts it when it ends, each time later, and tells what happened."""

import subprocess
from time import monotonic, time

from app.cli.data_folder import ProcessState
from app.cli.program import Program, ending, kill_group, last_lines, start, stop

FIRST_DELAY = 1.0  # seconds before the first restart; twice as long for each further one
LONGEST_DELAY = 30.0
HEALTHY_AFTER = 60.0  # who ran so long starts again with the first delay


class Child:
    """A program that is kept running; each restart waits longer, until it stays up."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.since = time()
        self.restarts = 0
        self.delay = FIRST_DELAY
        self.started_at = self.due_at = monotonic()

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it now."""
        self.process = start(self.program)
        self.started_at, self.since = monotonic(), time()
        return self.process

    def look(self) -> str | None:
        """Start it again if that is due, or notice that it ended; returns what is worth telling."""
        if self.process is None:
            if monotonic() < self.due_at:
                return None
            self.start()
            self.restarts += 1
            return f"{self.program.name} is started again"
        if (code := self.process.poll()) is None:
            return None
        kill_group(self.process.pid)  # what it started must not work on beside its successor
        return self.ended(code)

    def ended(self, code: int) -> str:
        """Take note that it ended, and when to start it again."""
        now = monotonic()
        if now - self.started_at >= HEALTHY_AFTER:
            self.delay = FIRST_DELAY
        delay, self.delay = self.delay, min(2 * self.delay, LONGEST_DELAY)
        self.process, self.due_at, self.since = None, now + delay, time()
        heading = f"{self.program.name} ended with {ending(code)}; it is restarted in {delay:.0f} s"
        return "\n".join([f"{heading}. {self.program.log} ends:", *last_lines(self.program.log)])

    @property
    def state(self) -> ProcessState:
        return ProcessState(
            name=self.program.name,
            state="running" if self.process else "waiting to restart",
            pid=self.process.pid if self.process else None,
            since=self.since,
            restarts=self.restarts,
        )


def stop_all(*children: Child) -> None:
    """Stop these together."""
    stop(*((child.program, child.process) for child in children if child.process))
