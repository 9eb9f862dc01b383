"""What `lacuna recipe` asks of recipes, in a process that may load torch."""

import json
import sys
from collections.abc import Callable

import typer
from rich.console import Console
from rich.table import Table

from models import recipe_check, registry
from models.recipe import Recipe
from models.recipes import fashion_files

# Recipes whose data can be fetched: whether it is there now, and what was done or why not.
FETCHERS: dict[str, Callable[[], tuple[bool, str]]] = {"fashion": fashion_files.fetch}

cli = typer.Typer(add_completion=False, help="Recipes on this machine.")


@cli.command("list")
def list_recipes() -> None:
    """Print the recipes that this machine can run."""
    discovery = registry.discover()
    table = Table("recipe", "defined in")
    for name, recipe in sorted(discovery.found.items()):
        table.add_row(name, type(recipe).__module__)
    Console().print(table)
    for source, reason in discovery.broken.items():
        Console().print(f"[red]broken[/red] {source}: {reason}")


@cli.command()
def check(name: str) -> None:
    """Try whether a recipe keeps the promises of the contract; exit code 1 if not."""
    findings = recipe_check.check(find(name))
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.ok else "[red]fail[/red]"
        Console().print(
            f"{mark} {finding.what}" + (f": {finding.detail}" if finding.detail else "")
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@cli.command()
def subjects(name: str) -> None:
    """Print the recipe's samples and whom they belong to, as NDJSON for an import."""
    pool = find(name).pool()
    if pool.subjects is None:
        typer.echo(f"the recipe {name!r} does not know whom its samples belong to", err=True)
        raise typer.Exit(1)
    for sample_id, subject in zip(pool.ids, pool.subjects, strict=True):
        sys.stdout.write(json.dumps({"sample_id": sample_id, "subject": subject}) + "\n")


@cli.command()
def fetch(name: str) -> None:
    """Get the data of a recipe that reads it from elsewhere, where that can be done from here."""
    find(name)
    if name not in FETCHERS:
        typer.echo(f"the recipe {name!r} has all its data")
        return
    fetched, reason = FETCHERS[name]()
    typer.echo(reason, err=not fetched)
    if not fetched:
        raise typer.Exit(1)


def find(name: str) -> Recipe:
    try:
        return registry.find(name)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    cli()
