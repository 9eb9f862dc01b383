"""`lacuna down`: stops a running stack, and keeps its data."""

import os
import signal
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated

import typer

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail

PAUSE = 0.05

EPILOG = """
**Examples**

`lacuna down` stops the stack of `.lacuna` in this folder; a job that is under way goes on after the
next `lacuna up`.
"""


def down(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until everything has ended.")
    ] = 60.0,
) -> None:
    """Stop the services, then the embedded servers. All data stay for the next `lacuna up`.

    The exit code is 0 also where nothing was running.
    """
    if not data_folder.is_held(data_dir):
        typer.echo(f"Nothing runs in {data_dir}.")
        return
    ask_to_stop(data_dir)
    deadline = monotonic() + timeout
    while data_folder.is_held(data_dir):
        if monotonic() > deadline:
            fail(f"It has not ended after {timeout:.0f} s; its logs are in {data_dir / 'logs'}.")
        sleep(PAUSE)
    typer.echo(f"Stopped. The data stay in {data_dir}.")


def ask_to_stop(data_dir: Path) -> None:
    """SIGTERM to the supervisor; where it is dead already, its watchdog is clearing up."""
    stack = data_folder.running(data_dir)
    if stack is None:
        return
    try:
        os.kill(stack.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
