"""`lacuna ledger`: derives the ledger again from the database, for whoever has to trust it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import log_key
from app.cli import data_folder
from app.cli.key_files import read_keys, read_witnesses
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.config import Settings
from app.db import connected
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.ledger.verification import Examined, examine

app = typer.Typer(no_args_is_help=True, help="Look at the ledger of this installation.")
SHOWN = 20

Keys = Annotated[
    Path | None,
    typer.Option(help="The ledger's public keys, one a line; default: log.vkey of the folder."),
]
Witnesses = Annotated[
    list[Path] | None,
    typer.Option(help="Keys of witnesses, each of whom must have cosigned; repeatable."),
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint that was kept, which the ledger must extend; repeatable."),
]


@dataclass(frozen=True)
class AtHand:
    """A database, the keys that are trusted, the checkpoints kept elsewhere, the witnesses."""

    url: str
    keys: list[VerifierKey]
    kept: list[bytes]
    witnesses: list[VerifierKey]


@app.command(
    epilog="**Examples**\n\n`lacuna ledger verify` looks at the stack that runs in `.lacuna`.\n\n"
    "`lacuna ledger verify --checkpoint may.txt` also finds a history that was rewritten since May."
)
def verify(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    key: Keys = None,
    checkpoint: Checkpoints = None,
    witness: Witnesses = None,
) -> None:
    """Derive every leaf, hash and root again, and hold them against all signed checkpoints.

    The exit code is 0 only if everything fits. What does not is named: the entry that was changed,
    removed, added or moved, or the checkpoint that shows another history.
    """
    known = at_hand(data_dir, key, checkpoint, witness)
    with snapshot(known.url) as session:
        found = examine(session, known.keys, kept=known.kept, witnesses=known.witnesses)
    tell(found)
    if found.faults:
        list_faults(found.faults)
        fail("The ledger does not fit what was signed.")
    typer.echo("Everything fits.")


def at_hand(
    data_dir: Path,
    key: Path | None,
    checkpoint: list[Path] | None,
    witness: list[Path] | None = None,
) -> AtHand:
    """Which database, and what it is held against; ends the command where that is not known."""
    settings = Settings(data_dir=data_dir)
    url = data_folder.environment(data_dir).get("LACUNA_DATABASE_URL")
    if not url:
        fail(f"Nothing runs in {data_dir}, and LACUNA_DATABASE_URL is not set: which database?")
    try:
        kept = [path.read_bytes() for path in checkpoint or []]
        keys = read_keys(key or data_dir / log_key.VKEY_FILE)
        watching = [found for path in witness or [] for found in read_witnesses(path)]
    except (OSError, VerificationFailed) as failure:
        fail(f"Keys or checkpoints cannot be read: {failure}")
    if (remembered := log_key.remembered(settings)) is not None:
        kept.append(remembered)
    return AtHand(url, keys, kept, watching)


@contextmanager
def snapshot(url: str) -> Iterator[Session]:
    """A session that sees the database at one moment.

    So a batch that is entered meanwhile does not look like a change.
    """
    try:
        with connected(url, isolation_level="REPEATABLE READ") as session:
            yield session
    except OperationalError as failure:
        fail(f"The database does not answer: {failure.orig}")


def tell(found: Examined) -> None:
    """Say what was derived."""
    typer.echo(
        f"{found.size} entries were derived again and held against {found.checkpoints} signed "
        f"checkpoints; {found.shredded} payloads are shredded, {found.waiting} entries wait."
    )
    for name, size in found.witnessed.items():
        typer.echo(f"The witness {name} has cosigned a checkpoint of {size} entries.")


def list_faults(faults: Sequence[str]) -> None:
    """Say what does not fit, not all of it where it is much."""
    for fault in faults[:SHOWN]:
        typer.secho(f"  {fault}", err=True)
    more = len(faults) - SHOWN
    if more > 0:
        typer.secho(f"  … and {more} more", err=True)
