"""`lacuna ledger restore-check`: whether a restored database brought back what was forgotten."""

from datetime import UTC, datetime

import typer

from app.cli import data_folder
from app.cli.ledger import Checkpoints, Keys, at_hand, list_faults, snapshot, tell
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.config import Settings
from app.ledger.restoring import came_back
from app.ledger.verification import examine
from app.store import Store

CANNOT_TELL = (
    "Nothing that this database knows to be forgotten has come back. Whether it is older than what "
    "was signed since cannot be told: no checkpoint is known outside of it. Name one with "
    "--checkpoint: one that you kept of GET /v1/ledger/checkpoint, or that a witness did."
)
EPILOG = (
    "**Example**\n\n"
    "`lacuna ledger restore-check --checkpoint may.txt` after a dump was restored, before the "
    "service is started. A ledger that is older than the checkpoint lacks the requests that were "
    "accepted since: submit them again, their receipts name them."
)


def restore_check(
    data_dir: DataDir = DEFAULT_DATA_DIR, key: Keys = None, checkpoint: Checkpoints = None
) -> None:
    """Find what a restored database would bring back of those who were forgotten.

    Training sets in use or in the making that hold forgotten samples, versions derived from them,
    references, logs of trainings and canaries that tell of such samples, tombstones that are gone,
    aliases on withdrawn versions, weights that should have been purged, and a ledger that is older
    than what was signed. The exit code is 0 only if there is nothing of the kind. It is 2 if that
    cannot be told, because no checkpoint is known outside of the database: neither the one that the
    clerk remembers in the data folder, nor one that you name.
    """
    known = at_hand(data_dir, key, checkpoint)
    store = store_of(data_dir)
    with snapshot(known.url) as session:
        ledger = examine(session, known.keys, kept=known.kept)
        found = came_back(session, stored=store.has, now=datetime.now(UTC))
    tell(ledger)
    if ledger.faults or found:
        list_faults([*ledger.faults, *found])
        fail("Do not start the service on this database: what was forgotten could come back.")
    if not known.kept:
        fail(CANNOT_TELL, code=2)
    typer.echo("Nothing that was forgotten has come back.")


def store_of(data_dir: DataDir) -> Store:
    """Where the weights of this installation lie."""
    url = data_folder.environment(data_dir).get("LACUNA_STORE_URL", "")
    return Store(Settings(data_dir=data_dir, store_url=url).store)
