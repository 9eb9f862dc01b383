"""What `lacuna audit` asks of networks, in a process that may load torch."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.auditing import deep as deeply
from models.progress import silent
from models.recipe import Recipe
from models.training import best_device
from models.unlearning import METHODS
from workers.recipe_command import find

cli = typer.Typer(add_completion=False, help="Audits that train networks of their own.")


@cli.callback()
def several() -> None:
    """Keeps `deep` a command of its own."""


@cli.command()
def deep(
    name: str,
    folder: Path,
    method: Annotated[str, typer.Option()],
    rounds: Annotated[int, typer.Option()],
    share: Annotated[float, typer.Option()],
    seed: Annotated[int, typer.Option()],
) -> None:
    """Do the rounds that the folder lacks, then say what all of them say."""
    if method not in METHODS:
        typer.echo(f"there is no method {method!r}; there are: {', '.join(METHODS)}", err=True)
        raise typer.Exit(1)
    if rounds < deeply.FEWEST:
        typer.echo(f"{rounds} rounds say nothing: {deeply.FEWEST} at least", err=True)
        raise typer.Exit(1)
    recipe = find(name)
    done = folder / f"{name}-{method}-{share:g}-{seed}"
    done.mkdir(parents=True, exist_ok=True)
    show([kept(done, recipe, method, number, share, seed) for number in range(rounds)])


def kept(
    folder: Path, recipe: Recipe, method: str, number: int, share: float, seed: int
) -> dict[str, dict[str, list[float]]]:
    """A round's numbers: read, or made and written down whole before the next begins."""
    path = folder / f"round-{number:03d}.json"
    if not path.exists():
        typer.echo(f"round {number + 1}: one training, one unlearning, two retrains", err=True)
        split = deeply.split_of(recipe, share=share, seed=seed)
        told = deeply.one_round(
            recipe,
            split,
            METHODS[method],
            number=number,
            seed=seed,
            progress=silent,
            device=best_device(),
        )
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(told))
        unfinished.rename(path)
    read: dict[str, dict[str, list[float]]] = json.loads(path.read_text())
    return read


def show(rounds: list[dict[str, dict[str, list[float]]]]) -> None:
    """One line for each set of samples, each number beside what two sets of retrains give."""
    table = Table("samples", "KLoM", "retrains", "above", "U-LiRA AUC", "retrains", "above")
    for one in deeply.summary(rounds):
        told, attack = one.klom, one.ulira
        table.add_row(
            one.samples,
            f"{told.mean:z.2f}",
            f"{told.null_mean:z.2f}",
            f"{told.above_null:+z.2f}",
            f"{attack.auc:.3f}",
            f"{attack.null:.3f}",
            f"{attack.above_null:+z.3f}",
        )
    Console().print(table)
    Console().print(f"{len(rounds)} rounds; nought above is what one more retrain would have.")


if __name__ == "__main__":
    cli()
