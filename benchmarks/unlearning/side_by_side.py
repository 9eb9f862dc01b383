"""Runs the grids of several data sets, a process on each core, with a bar for each data set."""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain
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
from benchmarks.unlearning.cases import FOR_A_GPU, sets_on
from benchmarks.unlearning.rows import Rows

Task = Future[Any]
Part = list[tuple[str, int]]  # forget sets, each with a seed
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

    First what all rows of a data set need; then its parts, as soon as that is there.
    """
    fresh = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with Progress(*COLUMNS, console=console) as bars, ProcessPoolExecutor(at_once, fresh) as pool:
        shown = {
            name: bars.add_task(
                "waits", data=name, total=grid.rows_of(name, seeds=seeds, band=band)
            )
            for name in there
        }
        running = {name: [pool.submit(prepare, name, folder, band)] for name in there}
        ahead = list(there)  # whose parts have yet to be handed out
        while ahead or unfinished(running):
            wait(unfinished(running), timeout=1, return_when=FIRST_COMPLETED)
            for name in [name for name in ahead if running[name][0].done()]:
                ahead.remove(name)
                if running[name][0].exception() is None:
                    running[name] += [
                        pool.submit(carry_out, name, folder, part) for part in parts_of(name, seeds)
                    ]
            show(bars, shown, running, folder)
        for task in chain(*running.values()):
            task.result()


def unfinished(running: Mapping[str, list[Task]]) -> list[Task]:
    return [task for task in chain(*running.values()) if not task.done()]


def parts_of(name: str, seeds: int) -> list[Part]:
    """What goes to a process each; a GPU is for one at a time, or times would be wrong."""
    every = [(which, seed) for which in sets_on(name) for seed in range(seeds)]
    return [every] if name in FOR_A_GPU else [[one] for one in every]


def show(
    bars: Progress,
    shown: Mapping[str, TaskID],
    running: Mapping[str, list[Task]],
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


def prepare(name: str, folder: Path, band: int) -> None:
    """What a data set's rows need, in a process of its own."""
    grid.prepare(opened(name, folder), band=band)


def carry_out(name: str, folder: Path, part: Part) -> None:
    """The rows of some forget sets and seeds, in a process of their own."""
    comparison = opened(name, folder)
    for which, seed in part:
        grid.carry_out(comparison, which, seed)


def opened(name: str, folder: Path) -> grid.Comparison:
    """A data set on one core; what is being done stands in a file."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    return grid.open_comparison(name, folder, note(folder, name).write_text)


def note(folder: Path, name: str) -> Path:
    """Where a process says what it is about."""
    return folder / f"{name}.doing"
