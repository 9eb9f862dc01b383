"""What `lacuna recipe` and a starting worker ask of recipes, in a process that may load torch."""

import json
import platform
import sys
from typing import Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from models import recipe_check, registry
from models.recipe import Recipe
from models.weights import own_tensors

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
def describe() -> None:
    """Print, as JSON, what a worker on this machine announces."""
    discovery = registry.discover()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    announced, broken = {}, dict(discovery.broken)
    for name, recipe in discovery.found.items():
        try:
            announced[name] = {"parameters": shapes(recipe), "samples": len(recipe.pool())}
        except Exception as error:  # whatever a stranger's recipe raises, or its data is not here
            broken[name] = f"{type(error).__name__}: {error}"
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    facts = {"recipes": announced, "broken": broken, "device": device, "versions": versions}
    sys.stdout.write(json.dumps(facts))


def shapes(recipe: Recipe) -> dict[str, Any]:
    """By tensor: its shape in a network of this recipe."""
    return {name: list(tensor.shape) for name, tensor in own_tensors(recipe.build()).items()}


def find(name: str) -> Recipe:
    try:
        return registry.find(name)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    cli()
