"""Our default on other draws of people than those on which its settings were found.

Some people, and more of their samples, are in both: a class has somebody of nearly everybody.

Everything but the people is as in `make bench-unlearning`, whose networks are used where they are
there: the recipes, the references, the retrain bands, the columns.

    python -m benchmarks.fresh_people
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.unlearning import fastest, grid, tables
from benchmarks.unlearning.bands import inside
from benchmarks.unlearning.cases import DATA, Case
from benchmarks.unlearning.methods import WAYS
from benchmarks.unlearning.rows import Row, Rows, of
from benchmarks.unlearning.side_by_side import opened

RESULTS = Path(__file__).parent / "results" / "fresh_people.txt"
FOLDER = Path(".lacuna/bench-unlearning")
KINDS = ("random 1 %", "random 5 %", "one person")
DRAWS = (2, 3)  # the first is that of the comparison of all ways
NETWORKS = 5  # trained on everything, and retrained without each forget set
OURS = WAYS[0]
SHOWN = (grid.RETRAIN, grid.UNTOUCHED, OURS.name)
console = Console(stderr=True, highlight=False)


def main(data: Annotated[list[str] | None, typer.Argument(help=f"Of: {DATA}.")] = None) -> None:
    """Forget people who had no part in choosing a setting; a table in benchmarks/results."""
    chosen = tuple(data or DATA)
    fresh = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with Progress(console=console) as bar, ProcessPoolExecutor(os.cpu_count(), fresh) as pool:
        task = bar.add_task("data sets", total=len(chosen))
        for done in as_completed([pool.submit(carry_out, name) for name in slowest_first(chosen)]):
            done.result()
            bar.advance(task)
    every = {name: rows_of(name).all() for name in chosen}
    RESULTS.write_text(text(every))


def slowest_first(names: tuple[str, ...]) -> list[str]:
    return sorted(names, key=("fashion", "omniglot", "careers", "digits").index)


def rows_of(data: str) -> Rows:
    return Rows(FOLDER / f"{data}-fresh.jsonl")


def carry_out(data: str) -> None:
    """The rows of a data set that are not there yet."""
    comparison = replace(opened(data, FOLDER), rows=rows_of(data))
    for case in drawn(comparison):
        for seed in range(NETWORKS):
            grid.retrained(comparison, case, seed)
        for seed in range(NETWORKS):
            grid.compare(comparison, case, seed, (OURS,))


def drawn(comparison: grid.Comparison) -> list[Case]:
    """Each kind of forget set, once for each draw of the people.

    Left out are people of whose strata nobody else's sample is held out: no attack can judge them.
    """
    return [
        replace(case, name=named(case.name, draw))
        for draw in DRAWS
        for case in grid.forget_sets(comparison.data, comparison.shelf, comparison.told, draw=draw)
        if case.name in KINDS and can_be_judged(comparison, case)
    ]


def can_be_judged(comparison: grid.Comparison, case: Case) -> bool:
    split = grid.split_of(comparison, case)
    of_each = split.validation.strata.bincount(minlength=int(split.forget.strata.max()) + 1)
    return bool((of_each[split.forget.strata] > 1).any())


def named(kind: str, draw: int) -> str:
    return f"{kind}, draw {draw}"


def text(every: dict[str, list[Row]]) -> str:
    """Every forget set with its band, and how often the runs of each kind were inside theirs."""
    parts = [f"$ python -m benchmarks.fresh_people {' '.join(every)}", tables.LEGEND]
    for data, rows in every.items():
        share = fastest.share_of(Rows(FOLDER / f"{data}.jsonl").all())
        for which in (named(kind, draw) for draw in DRAWS for kind in KINDS):
            of_set = of(rows, set=which)
            parts.append(
                tables.section(data, which, of_set, share)
                if of_set
                else f"{data}, {which}: left out; of their strata nobody else's samples are unseen"
            )
    return "\n\n".join([*parts, summary(every)]) + "\n"


def summary(every: dict[str, list[Row]]) -> str:
    head = "".join(f" {name:>13}" for name in (*KINDS, "audit", "cost"))
    lines = ["Inside the band, over all data sets and draws.", f"{'':25}{head}"]
    return "\n".join(lines + [total(way, every) for way in SHOWN])


def total(way: str, every: dict[str, list[Row]]) -> str:
    """How often a way was inside, and passed, and what it cost."""
    cells, passed, costs = [], [], []
    for kind in KINDS:
        hits = []
        for rows, draw in ((rows, draw) for rows in every.values() for draw in DRAWS):
            band = of(rows, set=named(kind, draw), way=grid.RETRAIN)
            for row in of(rows, set=named(kind, draw), way=way):
                hits.append("failed" not in row and inside(row, band))
                passed.append(row.get("verdict") == "pass")
            costs += tables.shares(rows, named(kind, draw), way)
        cells.append(f"{sum(hits)} of {len(hits)}")
    cells += [f"{sum(passed)} of {len(passed)}", f"{mean(costs):.3f}"]
    return f"{way:25}" + "".join(f" {written:>13}" for written in cells)


if __name__ == "__main__":
    typer.run(main)
