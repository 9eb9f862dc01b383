"""Command line: `python -m benchmarks.unlearning`, or `make bench-unlearning`."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.unlearning import grid, picture, tables
from benchmarks.unlearning.cases import DATA, missing
from benchmarks.unlearning.rows import Rows

RESULTS = Path(__file__).parents[1] / "results"
console = Console(stderr=True, highlight=False)


def main(
    data: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(DATA)}.")] = None,
    seeds: Annotated[int, typer.Option(help="Networks trained on everything.")] = 5,
    band: Annotated[int, typer.Option(help="Retrains per forget set.")] = 5,
    folder: Annotated[
        Path, typer.Option(help="Networks and rows; a run goes on from what is there.")
    ] = Path(".lacuna/bench-unlearning"),
    threads: Annotated[int, typer.Option(help="Of torch.")] = 1,
    only_tables: Annotated[bool, typer.Option(help="Run nothing; write what is known.")] = False,
) -> None:
    """Compare every way to forget with retraining: a table and a plot in benchmarks/results."""
    torch.set_num_threads(threads)
    chosen = tuple(data or DATA)
    for name in chosen:
        if reason := missing(name):
            console.print(f"{name} is left out: {reason}")
        elif not only_tables:
            with console.status(name) as status:
                comparison = grid.open_comparison(
                    name,
                    folder,
                    lambda doing, name=name: status.update(f"{name}: {doing}"),  # type: ignore[misc]
                )
                grid.run(comparison, seeds=seeds, band=band)
    RESULTS.mkdir(exist_ok=True)
    every = {name: Rows(folder / f"{name}.jsonl").all() for name in chosen}
    (RESULTS / "unlearning.txt").write_text(tables.text(every, seeds=seeds, band=band))
    picture.draw(every, RESULTS / "unlearning.svg")


if __name__ == "__main__":
    typer.run(main)
