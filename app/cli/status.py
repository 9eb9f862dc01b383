"""`lacuna status`: shows each process of a running stack, and whether the API answers."""

from datetime import UTC, datetime
from time import time
from urllib.parse import urlsplit

import typer
from sqlalchemy.exc import OperationalError

from app.cli import address, data_folder
from app.cli.data_folder import Stack
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.cli.summary import columns, duration
from app.config import settings
from app.db import connected
from app.ledger import announcements, worker_modes
from app.ledger.worker_tables import WORKING

EPILOG = """
**Examples**

`lacuna status` asks about `.lacuna` in this folder.

`lacuna status --data-dir /srv/lacuna || echo "not well"` uses the exit code: 0 only if all runs.
"""


def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show what runs: state, pid, uptime and restarts of each process, and the API's health.

    The exit code is 0 only if every process runs and the API answers.
    """
    stack = data_folder.running(data_dir)
    if stack is None:
        fail(f"Nothing runs in {data_dir}. Start it with: lacuna up")
    healthy = api_answers(stack)
    typer.echo(processes(stack, now=time()))
    typer.echo(workers(stack))
    typer.echo(f"\n  {stack.url}  {'answers' if healthy else 'does not answer'}")
    if not healthy or not all(process.pid for process in stack.processes):
        raise typer.Exit(1)


def api_answers(stack: Stack) -> bool:
    """Whether the stack's API says that it is up."""
    parts = urlsplit(stack.url)
    assert parts.hostname
    assert parts.port
    return address.answers(parts.hostname, parts.port)


def workers(stack: Stack) -> str:
    """A line for each live worker, under a heading; nothing before there is a database."""
    if not (url := stack.environment.get("LACUNA_DATABASE_URL")):
        return ""
    gone = settings().worker_gone_seconds
    try:
        with connected(url) as session:
            modes, held = worker_modes.modes(session), worker_modes.holding(session)
            alive = announcements.alive(session, now=datetime.now(UTC), gone_seconds=gone)
    except OperationalError:
        return "\n  The database does not answer: which workers live is not known."
    rows = [
        (worker.name, modes.get(worker.name, WORKING), str(held.get(worker.name, "")))
        for worker in alive
    ]
    return "\n" + columns([("WORKER", "MODE", "JOB"), *rows])


def processes(stack: Stack, *, now: float) -> str:
    """A line for each process, under a heading."""
    heading = ("PROCESS", "STATE", "PID", "FOR", "RESTARTS")
    rows = [
        (
            process.name,
            process.state,
            str(process.pid or ""),
            duration(now - process.since),
            str(process.restarts),
        )
        for process in stack.processes
    ]
    supervisor = ("supervisor", "running", str(stack.pid), "", "")
    return columns([heading, supervisor, *rows])
