"""`lacuna version`: says which version this is."""

import platform
from importlib.metadata import version as version_of

import typer


def version() -> None:
    """Show the versions of Lacuna and of the Python that runs it."""
    typer.echo(f"lacuna {version_of('lacuna')}, Python {platform.python_version()}")
