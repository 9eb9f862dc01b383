"""`lacuna ledger`: derives the ledger again from the database, for whoever has to trust it."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from app import log_key
from app.cli import data_folder
from app.cli.key_files import read_keys
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.config import Settings
from app.db import connect, sessions_of, transaction
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.ledger.verification import Examined, examine

app = typer.Typer(no_args_is_help=True, help="Look at the ledger of this installation.")
SHOWN = 20


@app.command(
    epilog="**Examples**\n\n`lacuna ledger verify` looks at the stack that runs in `.lacuna`.\n\n"
    "`lacuna ledger verify --checkpoint may.txt` also finds a history that was rewritten since May."
)
def verify(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    key: Annotated[
        Path | None,
        typer.Option(help="The ledger's public keys, one a line; default: log.vkey of the folder."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint that was kept, which the ledger must extend; repeatable."),
    ] = None,
) -> None:
    """Derive every leaf, hash and root again, and hold them against all signed checkpoints.

    The exit code is 0 only if everything fits. What does not is named: the entry that was changed,
    removed, added or moved, or the checkpoint that shows another history.
    """
    settings = Settings(data_dir=data_dir)
    url = data_folder.environment(data_dir).get("LACUNA_DATABASE_URL")
    if not url:
        fail(f"Nothing runs in {data_dir}, and LACUNA_DATABASE_URL is not set: which database?")
    try:
        kept = [path.read_bytes() for path in checkpoint or []]
        keys = read_keys(key or data_dir / log_key.VKEY_FILE)
    except (OSError, VerificationFailed) as failure:
        fail(f"Keys or checkpoints cannot be read: {failure}")
    if (remembered := log_key.remembered(settings)) is not None:
        kept.append(remembered)
    try:
        tell(derived(url, keys, kept))
    except OperationalError as failure:
        fail(f"The database does not answer: {failure.orig}")


def derived(url: str, keys: list[VerifierKey], kept: list[bytes]) -> Examined:
    """What a look at the whole ledger finds.

    In one snapshot, so that a batch that is entered meanwhile does not look like a change.
    """
    engine = connect(url, isolation_level="REPEATABLE READ")
    with transaction(sessions_of(engine)) as session:
        found = examine(session, keys, kept=kept)
    engine.dispose()
    return found


def tell(found: Examined) -> None:
    """Say what was derived and what does not fit."""
    typer.echo(
        f"{found.size} entries were derived again and held against {found.checkpoints} signed "
        f"checkpoints; {found.shredded} payloads are shredded, {found.waiting} entries wait."
    )
    if not found.faults:
        typer.echo("Everything fits.")
        return
    for fault in found.faults[:SHOWN]:
        typer.secho(f"  {fault}", err=True)
    more = len(found.faults) - SHOWN
    if more > 0:
        typer.secho(f"  … and {more} more", err=True)
    fail("The ledger does not fit what was signed.")
