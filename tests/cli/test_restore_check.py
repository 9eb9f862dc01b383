"""`lacuna ledger restore-check`, on databases that were really dumped and put back."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import URL, make_url, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app import log_key
from app.cli import embedded
from app.cli.main import app
from app.config import Settings, settings
from app.db import connect, sessions_of, transaction
from app.ledger import batching, sequencer
from app.store import Store
from tests.conftest import database, plain
from tests.factories import NOW, make_request, make_version, run_through

CLEAN = "Nothing that was forgotten has come back."
Step = Callable[[Session], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder of a ledger."""
    monkeypatch.delenv("LACUNA_LOG_KEY", raising=False)
    settings.cache_clear()
    log_key.make(of(tmp_path))
    yield tmp_path
    settings.cache_clear()


def put(folder: Path, *names: str) -> None:
    """These weights into the store."""
    for weights in names:
        (folder / weights).write_text(weights)
        Store(of(folder).store).put(folder / weights)


def of(folder: Path) -> Settings:
    return Settings(data_dir=folder, log_key=SecretStr(""))


def carry_out(url: str, folder: Path, *steps: Step) -> None:
    """Do something, have the clerk sign it, and keep what was signed."""
    engine = connect(url)
    for step in steps:
        with transaction(sessions_of(engine)) as session:
            step(session)
        with transaction(sessions_of(engine)) as session:
            signed = sequencer.sequence(session, log_key.load(of(folder)), now=NOW)
            assert signed is not None
            log_key.remember(of(folder), signed)
    engine.dispose()


def train(session: Session) -> None:
    make_version(session, weights="old")


def ask(session: Session) -> None:
    make_request(session, "ada")


def forget(session: Session) -> None:
    (model_id,) = session.scalars(text("SELECT id FROM models"))
    job = batching.batch(session, model_id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job, weights="new")


def dumped(url: str, file: Path) -> Path:
    """The whole database, as an operator would keep it."""
    postgres("pg_dump", "--format=custom", f"--file={file}", f"--dbname={libpq(url)}")
    return file


def postgres(program: str, *arguments: str) -> None:
    subprocess.run([embedded.postgres_binaries() / program, *arguments], check=True)


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def restored(database_server: URL) -> Iterator[str]:
    """An empty database for a dump to be put back into."""
    with database(database_server) as url:
        yield plain(url)


def check(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> tuple[int, str]:
    monkeypatch.setenv("LACUNA_DATABASE_URL", url)
    done = CliRunner().invoke(app, ["ledger", "restore-check", "--data-dir", str(folder), *more])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.output.split())


def test_a_dump_of_the_present_brings_nothing_back(
    folder: Path, fresh_database: str, restored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(fresh_database, folder, train, ask, forget)
    put(folder, "new")
    dump = dumped(fresh_database, folder / "dump")

    postgres("pg_restore", f"--dbname={libpq(restored)}", str(dump))

    code, told = check(folder, restored, monkeypatch)
    assert (code, CLEAN in told) == (0, True), told


def test_a_dump_from_before_a_request_is_told_by_what_was_signed_since(
    folder: Path, fresh_database: str, restored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a database knows nothing of the person: only what was kept elsewhere does."""
    carry_out(fresh_database, folder, train)
    dump = dumped(fresh_database, folder / "dump")
    carry_out(fresh_database, folder, ask, forget)
    put(folder, "old", "new")
    kept = folder / "kept.txt"
    (folder / log_key.MEMORY_FILE).rename(kept)

    postgres("pg_restore", f"--dbname={libpq(restored)}", str(dump))

    forgetful, cannot = check(folder, restored, monkeypatch)
    code, told = check(folder, restored, monkeypatch, "--checkpoint", str(kept))
    assert (forgetful, CLEAN in cannot) == (2, False)
    assert "cannot be told: no checkpoint is known outside of it" in cannot
    assert code == 1
    assert "or the database was put back to an older state" in told
    assert "Do not start the service on this database" in told


def test_old_tables_put_back_into_a_newer_database_are_told(
    folder: Path, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples and versions from before the request; ledger and requests are as they were."""
    carry_out(fresh_database, folder, train)
    dump = dumped(fresh_database, folder / "dump")
    carry_out(fresh_database, folder, ask, forget)
    put(folder, "old", "new")
    run(
        fresh_database,
        "SET session_replication_role = replica",  # as pg_restore --disable-triggers does
        "DELETE FROM samples",
        "DELETE FROM tombstones",
        "DELETE FROM aliases",
        "DELETE FROM model_versions WHERE number = 1",
    )
    postgres(
        "pg_restore",
        "--data-only",
        "--disable-triggers",
        *(f"--table={table}" for table in ("samples", "tombstones", "aliases", "model_versions")),
        f"--dbname={libpq(fresh_database)}",
        str(dump),
    )

    code, told = check(folder, fresh_database, monkeypatch)

    assert code == 1
    assert "2 samples of the dataset 'faces' were forgotten and have no tombstone" in told
    assert "version 1 of 'faces' is in use and saw 2 forgotten samples" in told


def run(url: str, *statements: str) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_weights_that_a_backup_of_the_store_brought_back_are_told(
    folder: Path, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(fresh_database, folder, train, ask, forget)
    run(fresh_database, "UPDATE model_versions SET withdrawn_at = '2020-01-01' WHERE number = 1")
    put(folder, "old", "new")

    code, told = check(folder, fresh_database, monkeypatch)

    assert code == 1
    assert "of version 1 of 'faces' lie in the store, and their time is over" in told


def test_without_public_keys_it_cannot_be_told(
    folder: Path, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / log_key.VKEY_FILE).unlink()

    code, told = check(folder, fresh_database, monkeypatch)

    assert (code, "cannot be read" in told) == (1, True)
