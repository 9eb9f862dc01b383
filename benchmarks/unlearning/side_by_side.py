"""Runs the grids of several data sets, a process on each core, with a bar for each data set."""

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

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
from benchmarks.unlearning.cases import FOR_A_GPU
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
    """All rows of these data sets, some side by side; how far they are is read from the rows.

    First what the rows of all seeds need; then the seeds, those of the slowest data set first, so
    that no core waits for another at the end.
    """
    fresh = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with Progress(*COLUMNS, console=console) as bars, ProcessPoolExecutor(at_once, fresh) as pool:
        shown = {
            name: bars.add_task(
                "waits", data=name, total=grid.rows_of(name, seeds=seeds, band=band)
            )
            for name in there
        }
        first = {name: [pool.submit(prepare, name, folder, band)] for name in there}
        watch(bars, shown, first, folder)
        slowest_first = sorted(there, key=lambda name: first[name][0].result(), reverse=True)
        then = {
            name: [pool.submit(carry_out, name, folder, some) for some in apart(name, seeds)]
            for name in slowest_first
        }
        watch(bars, shown, then, folder)
        for tasks in then.values():
            for task in tasks:
                task.result()


def apart(name: str, seeds: int) -> list[range]:
    """The seeds that go to a process each; a GPU is for one at a time, or times would be wrong."""
    whole = range(seeds)
    return [whole] if name in FOR_A_GPU else [whole[seed : seed + 1] for seed in whole]


def watch(
    bars: Progress,
    shown: Mapping[str, TaskID],
    running: Mapping[str, list[Future[Any]]],
    folder: Path,
) -> None:
    """Show how far they are until all have come to their end."""
    while wait([task for tasks in running.values() for task in tasks], timeout=1).not_done:
        show(bars, shown, running, folder)
    show(bars, shown, running, folder)


def show(
    bars: Progress,
    shown: Mapping[str, TaskID],
    running: Mapping[str, list[Future[Any]]],
    folder: Path,
) -> None:
    """What the files say of each data set."""
    for name, task in shown.items():
        bars.update(task, completed=len(Rows(folder / f"{name}.jsonl").all()))
        if any(one.running() for one in running[name]):
            doing = note(folder, name)
            bars.update(task, description=doing.read_text() if doing.exists() else "begins")
        elif all(one.done() for one in running[name]):
            failed = any(one.exception() for one in running[name])
            bars.update(task, description="failed" if failed else "done")


def prepare(name: str, folder: Path, band: int) -> float:
    """What a data set's rows need, in a process of its own; the seconds that it took."""
    started = time.monotonic()
    grid.prepare(opened(name, folder), band=band)
    return time.monotonic() - started


def carry_out(name: str, folder: Path, seeds: range) -> None:
    """The rows of some seeds, in a process of their own."""
    comparison = opened(name, folder)
    for seed in seeds:
        grid.carry_out(comparison, seed)


def opened(name: str, folder: Path) -> grid.Comparison:
    """A data set on one core; what is being done stands in a file."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    return grid.open_comparison(name, folder, note(folder, name).write_text)


def note(folder: Path, name: str) -> Path:
    """Where a process says what it is about."""
    return folder / f"{name}.doing"
