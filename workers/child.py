"""The process in which networks run: commands come in on stdin, progress and results go out.

There is one for each claim of a job, forked from a process that has loaded torch and computed
nothing (workers/nursery.py). It knows neither queue nor database, and dies with its supervisor:
when stdin ends, so does it.
"""

import json
import os
import queue
import sys
import threading
import time
from typing import IO, Any

import numpy as np
import torch

from app import crashing, tracing
from models import registry
from models.diverged import Diverged
from workers import nursery
from workers.phases import Bench
from workers.refusals import refusal

PROGRESS_PAUSE = 0.2  # seconds between two lines of progress
ORPHANED = 3
ALONE = "alone"  # this process is no nursery, but a child


class Wire:
    """JSON lines to the supervisor; whatever else is printed goes to stderr."""

    def __init__(self) -> None:
        self.out: IO[str] = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.last = 0.0

    def send(self, **message: Any) -> None:
        self.out.write(json.dumps(message, allow_nan=False) + "\n")
        self.out.flush()

    def progress(self, share: float, words: str) -> None:
        """Tell how far the phase is, not more often than anybody can read."""
        crashing.at("child.progress")
        now = time.monotonic()
        if share >= 1 or now - self.last >= PROGRESS_PAUSE:
            self.last = now
            self.send(progress={"share": round(float(share), 4), "words": words})


def commands() -> queue.Queue[dict[str, Any]]:
    """The supervisor's commands, read by a thread that ends the process when there is no more."""
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        tracing.flush()
        os._exit(ORPHANED)  # a phase may be running in the main thread; nobody wants its result

    threading.Thread(target=read, daemon=True).start()
    return waiting


def use_cores() -> None:
    """Compute on as many as OMP_NUM_THREADS says; unless it does, on all but one.

    Where a thread has to wait for its core, all others spin until it comes: a training of three
    seconds on two free cores took more than a minute on two that other processes were using too.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    cores = max(1, len(os.sched_getaffinity(0)) - 1)
    torch.set_num_threads((int(asked) if asked.isdecimal() else 0) or cores)


def come_to_life() -> None:
    """Load all that a child needs, then return in each that is asked for.

    CUDA does not survive a fork. Nothing here touches it; should torch do so one day while it is
    loaded, each child starts afresh instead, which takes seconds.
    """
    torch.optim.SGD([torch.zeros(1)], lr=1.0)  # with the first optimizer torch loads another half
    registry.load_shipped()
    if ALONE in sys.argv:
        return
    nursery.births()
    if torch.cuda._is_in_bad_fork():
        again = [sys.executable, "-m", "workers.child", ALONE]
        os.execv(sys.executable, again)  # noqa: S606  # every word of it is ours


def main() -> None:
    """Carry out one phase after the other."""
    use_cores()
    np.random.seed()  # or what a recipe draws unseeded would be alike in every child
    wire = Wire()
    bench = Bench(wire.progress)
    waiting = commands()
    while True:
        command = waiting.get()
        phase = command.pop("phase")
        try:
            with tracing.span(f"child {phase}", within=os.environ.get(tracing.OF_CHILD)):
                result = getattr(bench, phase)(**command)
            crashing.at("child.result")
            wire.send(result=result)
        except (MemoryError, torch.OutOfMemoryError) as error:
            wire.send(error={"code": "out_of_memory", "detail": f"in {phase!r}: {error}"})
        except Diverged as error:
            wire.send(error={"code": "diverged", "detail": str(error)})
        except ValueError as error:
            wire.send(error=refusal(error, phase, command))


if __name__ == "__main__":
    come_to_life()
    main()
