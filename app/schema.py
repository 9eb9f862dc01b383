"""Brings a database to the schema of this code, and tells whether it is there."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db import connect


def upgrade(url: str) -> None:
    """Run all migrations that this database has not seen."""
    command.upgrade(configured(url), "head")


def is_current(url: str) -> bool:
    """Whether the database stands at the newest migration."""
    engine = connect(url)
    with engine.connect() as connection:
        stands_at = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return stands_at == ScriptDirectory.from_config(configured(url)).get_current_head()


def configured(url: str) -> Config:
    """Alembic's configuration for this database."""
    config = Config(str(files("migrations") / "alembic.ini"))
    config.attributes["url"] = url
    return config
