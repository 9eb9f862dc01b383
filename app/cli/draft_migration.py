"""`make migration`: drafts a migration from the tables, beside those that are already there."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from app.cli import embedded
from app.schema import configured, upgrade


def draft(message: str) -> None:
    """Compare the tables with what the migrations make of an empty database, and write the rest."""
    with tempfile.TemporaryDirectory(prefix="lacuna-") as name:
        folder = Path(name)
        server = embedded.postgres(
            folder / "postgres", sockets=folder / "sockets", log=folder / "log"
        )
        with embedded.running(server) as url:
            upgrade(url)
            config = configured(url)
            head = ScriptDirectory.from_config(config).get_current_head()
            number = f"{int(head or 0) + 1:04}"
            command.revision(config, message=message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    draft(sys.argv[1])
