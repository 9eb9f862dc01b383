"""`lacuna ledger destroy-marks`: ends that a dataset's marks are known again."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.db import connected
from app.errors import ServiceError
from app.ledger import datasets, marks

EPILOG = (
    "**Example**\n\n"
    "`lacuna ledger destroy-marks faces --yes` when the data set itself has been deleted by its "
    "owner, and nothing of it can be imported again."
)


def destroy_marks(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Destroy the key by which samples that were forgotten long ago are known again.

    Their marks cannot be tested against an id any more, so these samples could be imported anew.
    What keeps its name stays on the tombstones. The act is an entry of the ledger.
    """
    url = data_folder.environment(data_dir).get("LACUNA_DATABASE_URL")
    if not url:
        fail(f"Nothing runs in {data_dir}, and LACUNA_DATABASE_URL is not set: which database?")
    if not yes:
        typer.confirm(f"What the marks of {name!r} keep out could come back. Go on?", abort=True)
    try:
        with connected(url) as session:
            marks.destroy_key(session, datasets.get(session, name), now=datetime.now(UTC))
    except ServiceError as refusal:
        fail(refusal.detail)
    except OperationalError as failure:
        fail(f"The database does not answer: {failure.orig}")
    typer.echo(f"The marks of {name!r} stand for nothing any more.")
