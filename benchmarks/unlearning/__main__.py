"""Command line: `python -m benchmarks.unlearning`, or `make bench-unlearning`."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.unlearning import picture, side_by_side, tables
from benchmarks.unlearning.cases import DATA, FOR_A_GPU, missing
from benchmarks.unlearning.rows import Rows

RESULTS = Path(__file__).parents[1] / "results"
console = Console(stderr=True, highlight=False)


def main(
    data: Annotated[
        list[str] | None, typer.Argument(help=f"Of: {', '.join(DATA + FOR_A_GPU)}.")
    ] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help=f"Also {', '.join(FOR_A_GPU)}: hours without a GPU.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Networks trained on everything.")] = 5,
    band: Annotated[int, typer.Option(help="Retrains per forget set.")] = 5,
    folder: Annotated[
        Path, typer.Option(help="Networks and rows; a run goes on from what is there.")
    ] = Path(".lacuna/bench-unlearning"),
    at_once: Annotated[
        int | None, typer.Option(help="Processes, each on one core. Default: the cores there are.")
    ] = None,
    only_tables: Annotated[bool, typer.Option(help="Run nothing; write what is known.")] = False,
) -> None:
    """Compare every way to forget with retraining: a table and a plot in benchmarks/results."""
    chosen = tuple(data or DATA) + (FOR_A_GPU if gpu else ())
    there = [name for name in chosen if not (reason := missing(name)) or left_out(name, reason)]
    if not only_tables:
        side_by_side.compare(
            there, folder, console, seeds=seeds, band=band, at_once=at_once or os.cpu_count() or 1
        )
    RESULTS.mkdir(exist_ok=True)
    every = {name: Rows(folder / f"{name}.jsonl").all() for name in chosen}
    (RESULTS / "unlearning.txt").write_text(tables.text(every, seeds=seeds, band=band))
    picture.draw(every, RESULTS / "unlearning.svg")


def left_out(name: str, reason: str) -> bool:
    """Say so."""
    console.print(f"{name} is left out: {reason}")
    return False


if __name__ == "__main__":
    typer.run(main)
