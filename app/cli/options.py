"""Options that several commands share, and how a command refuses."""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="LACUNA_DATA_DIR",
        resolve_path=True,
        file_okay=False,
        help="The folder of this installation: database, weights, logs and secrets.",
    ),
]
DEFAULT_DATA_DIR = Path(".lacuna")


def api_key() -> dict[str, str]:
    """The header that holds the API key of LACUNA_API_KEY; none where that is not set."""
    key = os.environ.get("LACUNA_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End the command with this exit code and this message on standard error."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(code)
