"""Runs the grids of several data sets, each in a process on one core, with a bar for each."""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from benchmarks.unlearning import grid
from benchmarks.unlearning.rows import Rows

COLUMNS = (
    TextColumn("{task.fields[data]:10}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.description}"),
)


def compare(
    there: list[str], folder: Path, console: Console, *, seeds: int, band: int, at_once: int
) -> None:
    """All rows of these data sets, some side by side; how far they are is read from the rows."""
    fresh = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with Progress(*COLUMNS, console=console) as bars, ProcessPoolExecutor(at_once, fresh) as pool:
        shown = {
            name: bars.add_task(
                "waits", data=name, total=grid.rows_of(name, seeds=seeds, band=band)
            )
            for name in there
        }
        running = {name: pool.submit(one, name, folder, seeds, band) for name in there}
        while wait(running.values(), timeout=1).not_done:
            show(bars, shown, running, folder)
        show(bars, shown, running, folder)
        for name in there:
            running[name].result()


def show(
    bars: Progress, shown: Mapping[str, TaskID], running: Mapping[str, Future[None]], folder: Path
) -> None:
    """What the files say of each data set."""
    for name, task in shown.items():
        bars.update(task, completed=len(Rows(folder / f"{name}.jsonl").all()))
        if running[name].running():
            doing = note(folder, name)
            bars.update(task, description=doing.read_text() if doing.exists() else "begins")
        elif running[name].done():
            bars.update(task, description="failed" if running[name].exception() else "done")


def one(name: str, folder: Path, seeds: int, band: int) -> None:
    """One data set, in a process of its own; what it is about stands in a file."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    doing = note(folder, name)
    comparison = grid.open_comparison(name, folder, doing.write_text)
    grid.run(comparison, seeds=seeds, band=band)


def note(folder: Path, name: str) -> Path:
    """Where a process says what it is about."""
    return folder / f"{name}.doing"
