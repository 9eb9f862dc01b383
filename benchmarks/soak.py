"""Runs a whole stack under mixed load and kills something every minute; then looks at what is left.

`python -m benchmarks.soak MINUTES` writes benchmarks/results/soak.txt. People ask to be forgotten,
some take that back or are held and released; models are trained, references built. Each minute a
program is killed, or told to die at the next crash point that it passes. In the end everything is
let come to rest, and `lacuna check-invariants` has the last word.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from platform import machine
from typing import Any

import psutil

from app import crashing
from tests.faults import crowd
from tests.faults.rig import Rig, folder_for_a_stack, running

RESULTS = Path(__file__).parent / "results" / "soak.txt"
PROGRAMS = ("api", "worker1", "worker2", "clerk", "courier", "beat", "valkey", "postgres")
KILL_EVERY = 60.0
SPARED = 30  # people who never ask, so that there is something to train on
A_MINUTE = 18  # who ask at most: enough people for load to the last minute
COME_TO_REST = 900.0


@dataclass
class Log:
    """What was asked for and what was done to the stack."""

    asked: list[str] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)


def soak(rig: Rig, minutes: float, lot: random.Random) -> Log:
    """Load and kills for so long."""
    log, began = Log(), time.monotonic()
    models, next_kill = ["first"], began + KILL_EVERY / 2
    while (now := time.monotonic()) < began + minutes * 60:
        if now >= next_kill:
            next_kill += KILL_EVERY
            log.kills[kill(rig, lot)] += 1
        act(rig, lot, log, models)
        time.sleep(lot.uniform(0.5, 4.0))
    return log


def kill(rig: Rig, lot: random.Random) -> str:
    """A whole program and its children, or whoever passes a point next."""
    rig.forget_orders()
    if lot.random() < 0.5:
        point = lot.choice(sorted(crashing.POINTS))
        rig.crash_at(point)
        return f"ordered at {point}"
    name = lot.choice(PROGRAMS)
    os.killpg(rig.process(name).pid, signal.SIGKILL)
    return f"SIGKILL of {name}"


def act(rig: Rig, lot: random.Random, log: Log, models: list[str]) -> None:
    """One thing that somebody wants of the service."""
    what = lot.choices(("ask", "take back", "hold", "train", "references"), (10, 2, 2, 1, 1))[0]
    if what == "ask" and len(rig.people) > SPARED:
        log.asked.append(rig.ask())
    elif what == "take back" and log.asked:
        what = rig.tried(
            f"/v1/deletion-requests/{lot.choice(log.asked)}:cancel", what, reason="a mistake"
        )
    elif what == "hold" and log.asked:
        request = lot.choice(log.asked)
        what = rig.tried(f"/v1/deletion-requests/{request}:hold", what, reason="legal_claims")
        rig.tried(f"/v1/deletion-requests/{request}:release", what, reason="ground_ended")
    elif what == "train" and len(models) < 3:
        models.append(f"model-{len(models)}")
        rig.train(models[-1])
    elif what == "references":
        what = rig.tried(f"/v1/models/{lot.choice(models)}:build-references", what)
    else:
        what = "looked"
        log.acts.update(rig.approve())  # or the models of jobs that wait would have no others
    log.acts[what] += 1


def ended(rig: Rig, request_id: str) -> bool:
    rig.approve()
    state = rig.call("GET", f"/v1/deletion-requests/{request_id}")["state"]
    return state in {"completed", "completed_no_data", "cancelled", "denied"}


def all_jobs(rig: Rig) -> Iterator[dict[str, Any]]:
    """Page after page."""
    more = ""
    while True:
        page = rig.call("GET", f"/v1/jobs?page_size=200{more}")
        yield from page["items"]
        if not page["next_page_token"]:
            return
        more = f"&page_token={page['next_page_token']}"


def how_it_ended(job: dict[str, Any]) -> str:
    """Its state, and of a failure the code."""
    return f"{job['state']} ({job['error']['code']})" if job["error"] else str(job["state"])


def report(rig: Rig, log: Log, minutes: float, seed: int) -> str:
    """What came of it, as text."""
    began = time.monotonic()
    rig.forget_orders()
    rig.until(lambda: all(ended(rig, each) for each in log.asked), seconds=COME_TO_REST)
    held = rig.broken()
    jobs = Counter(how_it_ended(job) for job in all_jobs(rig))
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"make soak MINUTES={minutes:g}: a stack as `lacuna up` runs it, two workers, the recipe "
        f"`crowd` ({crowd.people()} people),",
        f"leases of 3 s, seed {seed}; {machine()}, {os.cpu_count()} cores, {memory:.0f} GiB.",
        *(["A short run: what a release shows is sixty minutes at least."] if minutes < 60 else []),
        "",
        f"requests accepted: {len(log.asked)}; all of them have ended",
        f"came to rest after {time.monotonic() - began:.0f} s",
        *(f"done: {name} {count}" for name, count in sorted(log.acts.items())),
        *(f"killed: {name} {count}" for name, count in sorted(log.kills.items())),
        *(f"jobs {state}: {count}" for state, count in sorted(jobs.items())),
        "",
        *(f"{name}  {result}" for name, result in held.items()),
    ]
    return "\n".join(lines) + "\n"


def main(minutes: float, seed: int = 1) -> int:
    """The exit code is 0 only if all invariants hold."""
    os.environ[crowd.SIZE] = str(max(crowd.LEAST, SPARED + int(A_MINUTE * minutes)))
    with folder_for_a_stack() as folder, running(folder) as rig:
        log = soak(rig, minutes, random.Random(seed))
        told = report(rig, log, minutes, seed)
    sys.stdout.write(told)
    RESULTS.write_text(told)
    return 0 if "violations" not in told else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
