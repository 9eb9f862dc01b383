"""`lacuna audit`: audits that train networks of their own, in a process that may load torch."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.cli.surroundings import of_python

app = typer.Typer(
    no_args_is_help=True, help="Audits for calibrating methods, offline: no service is needed."
)
EPILOG = "**Example:** `lacuna audit deep digits --method hamu --rounds 16`"


@app.callback()
def several() -> None:
    """Keeps `deep` a command of its own."""


@app.command(epilog=EPILOG)
def deep(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="The model's recipe, by its name.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    method: Annotated[str, typer.Option(help="The method to be calibrated.")] = "hamu",
    rounds: Annotated[int, typer.Option(help="Each costs three trainings and a run.")] = 16,
    share: Annotated[float, typer.Option(help="Of the people, how many to forget.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Draws the forget set and all networks.")] = 0,
) -> None:
    """Compare networks that unlearned with networks that never saw: KLoM and U-LiRA.

    Each number stands beside what retrains give against other retrains, for neither is nought
    without a leak. Rounds are kept in the data folder: stopped, it goes on where it was.
    """
    require(installed=find_spec("torch") is not None)
    knobs = {"--method": method, "--rounds": rounds, "--share": share, "--seed": seed}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "workers.audit_command",
            "deep",
            name,
            str(Path(data_dir) / "deep"),
            *(str(part) for knob in knobs.items() for part in knob),
        ],
        env={**data_folder.environment(data_dir), **of_python()},
        check=False,
    )
    raise typer.Exit(done.returncode)


def require(*, installed: bool) -> None:
    """Refuse where the workers' part was not installed."""
    if not installed:
        fail("This trains networks, and torch is not installed here: pip install 'lacuna[worker]'.")
