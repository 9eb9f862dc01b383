"""Command line: `python -m benchmarks.unlearning`, or `make bench-unlearning`."""

import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from benchmarks.unlearning import grid, picture, tables
from benchmarks.unlearning.cases import DATA, missing
from benchmarks.unlearning.rows import Rows

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = (
    TextColumn("{task.fields[data]:10}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TextColumn("{task.description}"),
)
console = Console(stderr=True, highlight=False)


def main(
    data: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(DATA)}.")] = None,
    seeds: Annotated[int, typer.Option(help="Networks trained on everything.")] = 5,
    band: Annotated[int, typer.Option(help="Retrains per forget set.")] = 5,
    folder: Annotated[
        Path, typer.Option(help="Networks and rows; a run goes on from what is there.")
    ] = Path(".lacuna/bench-unlearning"),
    at_once: Annotated[
        int | None, typer.Option(help="Data sets, each on one core. Default: the cores there are.")
    ] = None,
    only_tables: Annotated[bool, typer.Option(help="Run nothing; write what is known.")] = False,
) -> None:
    """Compare every way to forget with retraining: a table and a plot in benchmarks/results."""
    chosen = tuple(data or DATA)
    there = [name for name in chosen if not (reason := missing(name)) or left_out(name, reason)]
    if not only_tables:
        compare(there, folder, seeds=seeds, band=band, at_once=at_once or os.cpu_count() or 1)
    RESULTS.mkdir(exist_ok=True)
    every = {name: Rows(folder / f"{name}.jsonl").all() for name in chosen}
    (RESULTS / "unlearning.txt").write_text(tables.text(every, seeds=seeds, band=band))
    picture.draw(every, RESULTS / "unlearning.svg")


def left_out(name: str, reason: str) -> bool:
    """Say so."""
    console.print(f"{name} is left out: {reason}")
    return False


def compare(there: list[str], folder: Path, *, seeds: int, band: int, at_once: int) -> None:
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
        if running[name].running():
            done = len(Rows(folder / f"{name}.jsonl").all())
            doing = note(folder, name)
            said = doing.read_text() if doing.exists() else ""
            bars.update(task, completed=done, description=said)
        elif running[name].done():
            bars.update(task, completed=bars.tasks[task].total, description="done")


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


if __name__ == "__main__":
    typer.run(main)
