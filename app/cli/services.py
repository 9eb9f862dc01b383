"""The programs of Lacuna itself, as `lacuna up` runs them."""

import sys
from collections.abc import Mapping
from pathlib import Path

from app.cli.program import Program
from app.cli.surroundings import HOME

CELERY = ("-m", "celery", "-A", "workers.celery_app")
# One machine has one clerk: nothing to ask the other workers at the start, nobody to gossip with.
ALONE = ("--without-mingle", "--without-gossip")
ONE_BY_ONE = ("--concurrency", "1")
# The courier waits for other people's servers, for many at once; threads are enough for that.
MANY_AT_ONCE = ("--pool", "threads", "--concurrency", "8")
# Only the clerk signs the ledger; a key from our own environment is for nobody else to see.
NO_LOG_KEY = {"LACUNA_LOG_KEY": ""}


def api(*, host: str, port: int) -> tuple[str, ...]:
    """The HTTP front end. An event stream that stays open does not keep it from stopping."""
    return (
        *("-m", "uvicorn", "app.serving:serve", "--factory", "--app-dir", str(HOME)),
        *("--host", host, "--port", str(port), "--timeout-graceful-shutdown", "3"),
        "--no-proxy-headers",  # else a header would say whom a rate limit counts
    )


def consumer(name: str, queue: str, *, pool: tuple[str, ...] = ONE_BY_ONE) -> tuple[str, ...]:
    """A Celery worker that takes from one queue, one message at a time unless told otherwise."""
    return (*CELERY, "worker", "-Q", queue, *pool, "-n", f"{name}@%h", *ALONE)


def beat(data_dir: Path) -> tuple[str, ...]:
    """The clock that asks the clerk to look at what is due."""
    return (*CELERY, "beat", "--schedule", str(data_dir / "beat-schedule"))


def services(
    data_dir: Path, *, host: str, port: int, workers: int, environment: Mapping[str, str]
) -> list[Program]:
    """The API, and with any workers at all also the clerk, the courier and the beat."""
    names = ["worker"] if workers == 1 else [f"worker{n + 1}" for n in range(workers)]
    arguments = {"api": api(host=host, port=port)}
    if workers:
        arguments |= {name: consumer(name, "jobs") for name in names}
        arguments |= {
            "clerk": consumer("clerk", "chores"),
            "courier": consumer("courier", "errands", pool=MANY_AT_ONCE),
            "beat": beat(data_dir),
        }
    return [
        Program(
            name=name,
            command=(sys.executable, *rest),
            log=data_dir / "logs" / f"{name}.log",
            environment=environment if name == "clerk" else {**environment, **NO_LOG_KEY},
        )
        for name, rest in arguments.items()
    ]
