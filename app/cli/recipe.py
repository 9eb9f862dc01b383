"""`lacuna recipe`: looks at the recipes of this installation, in a process that may load torch."""

import subprocess
import sys
from typing import Annotated, NoReturn

import typer

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir
from app.cli.surroundings import of_python

app = typer.Typer(
    no_args_is_help=True,
    help="The recipes that this installation can run: yours and those that ship.",
    epilog="A recipe is found through the entry-point group `lacuna.recipes`, or through "
    "`LACUNA_RECIPES=package.module:object`.",
)
Name = Annotated[str, typer.Argument(help="The recipe's name, as `lacuna recipe list` shows it.")]


@app.command("list", epilog="**Example:** `lacuna recipe list`")
def list_recipes(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the recipes by name."""
    hand_over(data_dir, "list")


@app.command(epilog="**Example:** `LACUNA_RECIPES=shop.recipes:churn lacuna recipe check churn`")
def check(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Check that a recipe keeps its contract.

    Ids are stable and unique, losses come per sample, training is the same under the same seed, the
    holdout is disjoint, weights are saved and loaded exactly. The exit code is 0 only if all hold.
    """
    hand_over(data_dir, "check", name)


@app.command(epilog="**Example:** `lacuna recipe subjects digits > samples.ndjson`")
def subjects(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Write the samples of a recipe's data and whose they are, ready to be imported."""
    hand_over(data_dir, "subjects", name)


def hand_over(data_dir: DataDir, *arguments: str) -> NoReturn:
    """Let the workers' side do it, with our output and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.recipe_command", *arguments],
        env={**data_folder.environment(data_dir), **of_python()},
        check=False,
    )
    raise typer.Exit(done.returncode)
