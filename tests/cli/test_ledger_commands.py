"""`lacuna ledger verify` and `lacuna keys`, on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app import log_key
from app.cli.main import app
from app.config import Settings, settings
from app.db import connect, sessions_of, transaction
from app.evidence import note
from app.evidence.model_signature import model_key, public_pem
from app.ledger import sequencer
from tests.factories import NOW
from tests.ledger.signing import append, tamper


@pytest.fixture
def folder(fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder of a ledger of seven entries, signed and remembered."""
    monkeypatch.setenv("LACUNA_DATABASE_URL", fresh_database)
    monkeypatch.delenv("LACUNA_LOG_KEY", raising=False)
    settings.cache_clear()
    log_key.make(of(tmp_path))
    change(fresh_database, tmp_path, sign=True)
    yield tmp_path
    settings.cache_clear()


def of(folder: Path) -> Settings:
    return Settings(data_dir=folder, log_key=SecretStr(""))


def change(url: str, folder: Path, statement: str | None = None, *, sign: bool = False) -> None:
    """Do something to the database, as the clerk or behind its back."""
    engine = connect(url)
    with transaction(sessions_of(engine)) as session:
        if statement is not None:
            tamper(session, statement)
        if sign:
            sign_more(session, folder)
    engine.dispose()


def sign_more(session: Session, folder: Path) -> None:
    append(session, 6)
    signed = sequencer.sequence(session, log_key.load(of(folder)), now=NOW)
    assert signed is not None
    log_key.remember(of(folder), signed)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.output.split())


def test_a_ledger_that_fits_is_said_to(folder: Path) -> None:
    code, told = run("ledger", "verify", "--data-dir", str(folder))

    assert code == 0, told
    assert "7 entries were derived again and held against 1 signed checkpoints" in told
    assert "Everything fits." in told


def test_a_flipped_bit_is_named(folder: Path, fresh_database: str) -> None:
    change(
        fresh_database,
        folder,
        "UPDATE ledger_entries SET commitment = set_bit(commitment, 3, 1 - get_bit(commitment, 3)) "
        "WHERE id = (SELECT entry_id FROM ledger_leaves WHERE index = 5)",
    )

    code, told = run("ledger", "verify", "--data-dir", str(folder))

    assert code == 1
    assert "test.fact at index 5, was changed after it was entered" in told
    assert "The ledger does not fit what was signed." in told


def test_a_database_emptied_since_it_was_signed_is_found_by_what_the_clerk_remembers(
    folder: Path, fresh_database: str
) -> None:
    change(
        fresh_database,
        folder,
        "TRUNCATE ledger_leaves, ledger_nodes, ledger_checkpoints, ledger_cosignatures",
    )

    code, told = run("ledger", "verify", "--data-dir", str(folder))

    assert code == 1
    assert "kept checkpoint 1 covers 7 entries and there are 0" in told


def test_a_checkpoint_that_was_kept_can_be_given(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "may.txt"
    other.write_bytes(log_key.load(of(folder)).checkpoint(3, bytes(32)))

    code, told = run("ledger", "verify", "--data-dir", str(folder), "--checkpoint", str(other))

    assert code == 1
    assert "kept checkpoint 1 was signed over another history" in told


def test_without_public_keys_it_cannot_be_told(folder: Path) -> None:
    (folder / log_key.VKEY_FILE).unlink()

    code, told = run("ledger", "verify", "--data-dir", str(folder))

    assert code == 1
    assert "cannot be read: [Errno 2] No such file or directory" in told


def test_without_a_database_it_asks_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LACUNA_DATABASE_URL", raising=False)

    code, told = run("ledger", "verify", "--data-dir", str(tmp_path))

    assert (code, "which database?" in told) == (1, True)


def test_a_database_that_does_not_answer_is_told_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")

    code, told = run("ledger", "verify", "--data-dir", str(folder))

    assert code == 1
    assert "The database does not answer" in told


def test_a_rotated_key_is_shown_and_the_ledger_still_verifies(
    folder: Path, fresh_database: str
) -> None:
    old = note.vkey(log_key.load(of(folder)).verifier_keys[0])

    code, told = run("keys", "rotate", "--data-dir", str(folder))

    assert code == 0
    assert f"Beside it still signs: {old}" in told
    assert run("keys", "show", "--data-dir", str(folder))[1].split()[1] == old
    change(fresh_database, folder, sign=True)
    assert run("keys", "retire", "--data-dir", str(folder))[0] == 0
    assert run("keys", "retire", "--data-dir", str(folder))[0] == 1
    change(fresh_database, folder, sign=True)
    run("keys", "rotate", "--drop-old", "--data-dir", str(folder))
    change(fresh_database, folder, sign=True)
    assert run("ledger", "verify", "--data-dir", str(folder))[0] == 0


def test_the_key_that_signs_weights_is_shown_as_pem(folder: Path) -> None:
    (key,) = log_key.load(of(folder)).keys

    done = CliRunner().invoke(app, ["keys", "show", "--weights", "--data-dir", str(folder)])

    assert done.exit_code == 0
    assert done.stdout.encode() == public_pem(model_key(key))


def test_a_folder_without_a_key_has_none_to_show_or_rotate(tmp_path: Path) -> None:
    shown = run("keys", "show", "--data-dir", str(tmp_path))
    rotated = run("keys", "rotate", "--data-dir", str(tmp_path))
    of_weights = run("keys", "show", "--weights", "--data-dir", str(tmp_path))

    assert of_weights[0] == 1
    assert "`lacuna up` makes a key" in of_weights[1]
    assert shown == (1, f"{tmp_path} has no key of a ledger; `lacuna up` makes one.")
    assert rotated[0] == 1
