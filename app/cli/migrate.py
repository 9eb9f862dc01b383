"""`lacuna migrate`: brings a database to the schema of this version."""

import typer

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.schema import upgrade

EPILOG = """
**Examples**

`lacuna migrate` is for a database of your own, before a new version starts; `lacuna up` does it by
itself.

`LACUNA_DATABASE_URL=postgresql+psycopg://me@db/lacuna lacuna migrate`
"""


def migrate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Run the migrations that the database has not seen; none are run twice.

    The database is that of LACUNA_DATABASE_URL, else that of the stack which runs in the folder.
    """
    url = data_folder.environment(data_dir).get("LACUNA_DATABASE_URL")
    if not url:
        fail(f"Nothing runs in {data_dir}, and LACUNA_DATABASE_URL is not set: which database?")
    upgrade(url)
    typer.echo("The database is at the newest schema.")
