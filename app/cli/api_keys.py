"""`lacuna api-keys`: the keys of callers. (`lacuna keys` is about those that sign the ledger.)"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.auth import Scope
from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.cli.summary import columns
from app.db import connected
from app.errors import ServiceError
from app.ledger import api_keys
from app.ledger.key_tables import ApiKey

HEADING = ("BEGINS WITH", "NAME", "SCOPES", "LAST USED", "ENDS")

app = typer.Typer(
    no_args_is_help=True,
    help="""The API keys of those who call the service.

They are made in the database itself, so that the first one needs no other. Not to be mixed up with
`lacuna keys`: those sign the ledger.
""",
)
Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="How it begins: lac_0123456789ab.")]


@app.command(
    epilog="**Examples**\n\n`lacuna api-keys create admin --all`\n\n"
    "`lacuna api-keys create crm --scope requests:write --scope requests:read --days 365`"
)
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for the list.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeatable.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="It may do everything.")] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="It ends after so long.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make an API key and write it to standard output, this once."""
    if everything == bool(scope):
        fail("Say what it may do: --scope, once or more, or --all.")
    now = datetime.now(UTC)
    with database(data_dir) as (session, pepper):
        key, text = api_keys.create(
            session,
            name,
            scopes=set(scope or Scope),
            pepper=pepper,
            expires_at=now + timedelta(days=days) if days else None,
            now=now,
        )
        typer.secho(f"Made {key.prefix} for {name}. Nothing shows it again:", err=True)
    typer.echo(text)


@app.command("list", epilog="**Example:** `lacuna api-keys list`")
def list_keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show all keys, oldest first, and when each was used last."""
    with database(data_dir) as (session, _):
        rows = [row(key) for key in api_keys.listed(session)]
    typer.echo(columns([HEADING, *rows]))


@app.command(epilog="**Example:** `lacuna api-keys rotate lac_0123456789ab --overlap-hours 1`")
def rotate(
    prefix: Prefix,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="So long the old one is valid still.")
    ] = 24,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make another key that may do the same, and let the old one end."""
    with database(data_dir) as (session, pepper):
        _, text = api_keys.rotate(
            session,
            api_keys.by_prefix(session, prefix, lock=True),
            overlap=timedelta(hours=overlap_hours),
            pepper=pepper,
            now=datetime.now(UTC),
        )
    typer.echo(text)


@app.command(epilog="**Example:** `lacuna api-keys revoke lac_0123456789ab`")
def revoke(prefix: Prefix, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a key open nothing from now on."""
    with database(data_dir) as (session, _):
        key = api_keys.by_prefix(session, prefix, lock=True)
        api_keys.revoke(session, key, now=datetime.now(UTC))
    typer.echo(f"{prefix} is revoked.")


@contextmanager
def database(data_dir: Path) -> Iterator[tuple[Session, str]]:
    """One transaction on the service's database, and its pepper; refusals end the command."""
    environment = data_folder.environment(data_dir)
    url, pepper = (environment.get(f"LACUNA_{name}") for name in ("DATABASE_URL", "PEPPER"))
    if not url:
        fail(f"Nothing runs in {data_dir}, and LACUNA_DATABASE_URL is not set: which database?")
    if not pepper:
        fail("LACUNA_PEPPER is not set: API keys are hashed under it.")
    try:
        with connected(url) as session:
            yield session, pepper
    except ServiceError as refusal:
        fail(refusal.detail)
    except OperationalError as failure:
        fail(f"The database does not answer: {failure.orig}")


def first(data_dir: Path) -> str | None:
    """The key that may do everything, where none exists yet that may make others."""
    now = datetime.now(UTC)
    with database(data_dir) as (session, pepper):
        if api_keys.any_valid(session, now=now):
            return None
        _, text = api_keys.create(session, "first", scopes=set(Scope), pepper=pepper, now=now)
        return text


def row(key: ApiKey) -> tuple[str, ...]:
    """A line of the list."""
    ends = key.revoked_at or key.expires_at
    scopes = "everything" if set(key.scopes) == set(Scope) else " ".join(key.scopes)
    used = f"{key.last_used_at:%Y-%m-%d %H h}" if key.last_used_at else "never"
    return key.prefix, key.name, scopes, used, f"{ends:%Y-%m-%d %H:%M}" if ends else "never"
