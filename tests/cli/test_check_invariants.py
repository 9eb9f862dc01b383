"""`lacuna check-invariants`, on a real database and a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from app import log_key
from app.cli.main import app
from app.config import Settings, settings
from app.db import connect, sessions_of, transaction
from app.ledger import sequencer
from app.store import Store
from tests.factories import NOW, PEPPER, make_version


@pytest.fixture
def folder(fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder of a ledger with one version, signed, and its weights."""
    monkeypatch.setenv("LACUNA_DATABASE_URL", fresh_database)
    monkeypatch.setenv("LACUNA_PEPPER", PEPPER)
    monkeypatch.delenv("LACUNA_LOG_KEY", raising=False)
    settings.cache_clear()
    kept = Settings(data_dir=tmp_path, log_key=SecretStr(""))
    log_key.make(kept)
    (tmp_path / "weights").write_text("weights")
    Store(kept.store).put(tmp_path / "weights")
    engine = connect(fresh_database)
    with transaction(sessions_of(engine)) as session:
        make_version(session, weights="weights")
    with transaction(sessions_of(engine)) as session:
        signed = sequencer.sequence(session, log_key.load(kept), now=NOW)
        assert signed is not None
        log_key.remember(kept, signed)
    engine.dispose()
    (tmp_path / "logs").mkdir()
    yield tmp_path
    settings.cache_clear()


def run(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check-invariants", "--data-dir", str(folder)])
    return result.exit_code, result.output


def test_all_nine_are_told_and_hold(folder: Path) -> None:
    code, said = run(folder)

    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()[:9]] == [
        [f"I{number}", "ok"] for number in range(1, 10)
    ]
    assert said.endswith("All invariants hold.\n")


def test_what_is_broken_is_named_and_makes_the_exit_code_1(folder: Path) -> None:
    (weights,) = (folder / "store").rglob("*.safetensors")
    weights.unlink()
    (folder / "logs" / "worker-1.log").write_text('{"event": "odd", "sample": "zoe-1-of-two"}\n')

    code, said = run(folder)

    assert code == 1
    assert f"the weights {weights.stem} are in use, and the store does not have them" in said
    assert "Broken: I9." in said


def test_without_the_pepper_nothing_is_said_to_hold(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LACUNA_PEPPER")

    code, said = run(folder)

    assert code == 1
    assert "LACUNA_PEPPER is not set" in said
