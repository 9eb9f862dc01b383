"""Children that need not load torch: they are forked from a process that has loaded it once.

`Nursery` is the worker's end: it asks for children, and how they ended. The other end is
`births`, in the process that forks them. Between the two goes a socket, whose packets are a JSON
object each; the files that a child is to have as stdin, stdout and stderr go with them. A child is
the nursery's to bury, but lives by its own pipes: the nursery may die under it.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from contextlib import ExitStack, suppress
from functools import cache
from threading import Lock
from typing import IO, Any

PACKET = 2**17  # bytes; a child's environment goes as the difference to its nursery's
STREAMS = 3
LOOK_EVERY = 0.005  # seconds
LOADING = Lock()  # a job may come while its process loads ahead


class Newborn:
    """A child as its supervisor has it, much as `subprocess.Popen` has one."""

    def __init__(self, nursery: "Nursery", pid: int, stdin: IO[str], stdout: IO[str]) -> None:
        self.nursery = nursery
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.ended = False
        self.code: int | None = None  # as Popen's; None too where its nursery took it to the grave
        self.lock = Lock()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it ends within that time, or at all."""
        with self.lock:
            if not self.ended:
                try:
                    told = self.nursery.ask({"bury": self.pid, "seconds": seconds})
                    self.ended, self.code = told["ended"], told["code"]
                except ConnectionError:
                    self.send_kill()
                    self.ended = True
            return self.ended

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        with self.lock:
            if not self.ended:
                self.send_kill()
        self.wait()

    def send_kill(self) -> None:
        """Until it is buried its pid is nobody else's."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Nursery:
    """The process that forks children, which ends with this one; ready once it is made.

    Raises `ConnectionError` where it ends instead: what it had to say is on this process's stderr.
    """

    def __init__(self, command: tuple[str, ...] = ("-m", "workers.child")) -> None:
        self.environment = dict(os.environ)
        self.lock = Lock()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=self.environment,
            )
        weakref.finalize(self, end, self.socket, self.process)
        self.answer()

    def bear(self, stderr: int, environment: dict[str, str]) -> Newborn:
        """A child with this environment, and this file as its stderr."""
        ask = {
            "set": dict(environment.items() - self.environment.items()),
            "unset": sorted(self.environment.keys() - environment.keys()),
        }
        stdin, to_child = os.pipe()
        from_child, stdout = os.pipe()
        with os.fdopen(stdin), os.fdopen(stdout, "w"), ExitStack() as unless_born:
            commands = unless_born.enter_context(os.fdopen(to_child, "w", buffering=1))
            answers = unless_born.enter_context(os.fdopen(from_child))
            pid = self.ask(ask, stdin, stdout, stderr)["pid"]
            unless_born.pop_all()
        return Newborn(self, pid, commands, answers)

    def ask(self, ask: dict[str, Any], *files: int) -> dict[str, Any]:
        """One thing after the other, whichever thread asks."""
        with self.lock:
            socket.send_fds(self.socket, [json.dumps(ask).encode()], files)
            return self.answer()

    def answer(self) -> dict[str, Any]:
        if not (packet := self.socket.recv(PACKET)):
            raise ConnectionError("the process that forks children has ended")
        return dict(json.loads(packet))


def end(asked: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """Of a nursery that nobody has any more; children that it has live on."""
    asked.close()
    process.kill()
    process.wait()


@cache
def of_process(_pid: int) -> Nursery:
    """Of the process of that pid: one that is forked from it needs its own."""
    return Nursery()


def own() -> Nursery:
    """This process's own, which is loaded by the first who asks, or by the next after its death."""
    with LOADING:
        if of_process(os.getpid()).process.poll() is not None:
            of_process.cache_clear()
        return of_process(os.getpid())


def births() -> None:
    """Return in every child that is asked for; in the nursery itself, never.

    To be called when all is loaded and nothing was computed: threads do not survive a fork.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child ends with its supervisor, not by a key
    gc.freeze()  # a collection would touch, and so copy, every page of what is shared
    asking = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    asking.send(b"{}")
    while True:
        packet, files, _, _ = socket.recv_fds(asking, PACKET, STREAMS)
        if not packet:
            sys.exit()
        ask = json.loads(packet)
        if "bury" in ask:
            answer = bury(ask["bury"], ask["seconds"])
        elif pid := os.fork():
            answer = {"pid": pid}
        else:
            asking.close()
            take(files, ask)
            return
        for file in files:
            os.close(file)
        with suppress(BrokenPipeError):  # whoever asked has died meanwhile
            asking.send(json.dumps(answer).encode())


def bury(pid: int, seconds: float | None) -> dict[str, Any]:
    """Wait for a child's end that long; how it ended."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, 0 if until is None else os.WNOHANG)
        if ended:
            return {"ended": True, "code": os.waitstatus_to_exitcode(status)}
        if until is not None and time.monotonic() >= until:
            return {"ended": False, "code": None}
        time.sleep(LOOK_EVERY)


def take(files: list[int], ask: dict[str, Any]) -> None:
    """What is a child's own: its streams and its environment."""
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    for name in ask["unset"]:
        del os.environ[name]
    os.environ.update(ask["set"])
