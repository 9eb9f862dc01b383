"""The process in which networks run: commands come in on stdin, progress and results go out.

It is freshly spawned for each claim of a job (CUDA does not survive a fork), knows neither queue
nor database, and dies with its supervisor: when stdin ends, so does it.
"""

import json
import os
import queue
import sys
import threading
import time
from typing import IO, Any

import torch

from app import crashing, tracing
from models.diverged import Diverged
from workers.phases import Bench
from workers.refusals import refusal

PROGRESS_PAUSE = 0.2  # seconds between two lines of progress
ORPHANED = 3


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


def leave_a_core() -> None:
    """Compute on all cores but one, unless OMP_NUM_THREADS says how many.

    Where a thread has to wait for its core, all others spin until it comes: a training of three
    seconds on two free cores took more than a minute on two that other processes were using too.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def warm_up() -> None:
    """Load what torch loads with its first optimizer: seconds that are no training's."""
    torch.optim.SGD([torch.zeros(1)], lr=1.0)


def main() -> None:
    """Carry out one phase after the other."""
    leave_a_core()
    warm_up()
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
    main()
