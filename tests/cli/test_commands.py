from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from app.cli import audit, data_folder
from app.cli.data_folder import ProcessState, Stack
from app.cli.main import app
from app.cli.summary import columns, duration
from app.config import settings
from app.db import connect, sessions_of, transaction
from app.ledger import worker_modes
from app.ledger.worker_tables import Mode
from tests.factories import announce_worker, claim, make_training

NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture
def lacuna(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The command, in an environment with no setting of ours."""
    for name in ("LACUNA_DATABASE_URL", "LACUNA_REDIS_URL", "LACUNA_PEPPER", "LACUNA_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield CliRunner()
    settings.cache_clear()


def make_stack(*, restarts: int = 0) -> Stack:
    api = ProcessState(name="api", state="running", pid=8, since=0.0, restarts=restarts)
    return Stack(pid=7, url=NOBODY_LISTENS, processes=(api,))


def test_the_status_of_nothing_is_a_failure_that_says_what_to_do(
    lacuna: CliRunner, tmp_path: Path
) -> None:
    done = lacuna.invoke(app, ["status", "--data-dir", str(tmp_path)])

    assert done.exit_code == 1
    assert done.stderr.strip() == f"Nothing runs in {tmp_path}. Start it with: lacuna up"


def test_the_status_fails_while_the_api_does_not_answer(lacuna: CliRunner, tmp_path: Path) -> None:
    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, make_stack(restarts=3))
        done = lacuna.invoke(app, ["status", "--data-dir", str(tmp_path)])

    assert done.exit_code == 1
    api = done.stdout.splitlines()[2].split()
    assert (api[0], api[1], api[2], api[-1]) == ("api", "running", "8", "3")
    assert f"{NOBODY_LISTENS}  does not answer" in done.stdout


def test_the_status_shows_what_each_worker_does(
    lacuna: CliRunner, tmp_path: Path, fresh_database: str
) -> None:
    engine = connect(fresh_database)
    with transaction(sessions_of(engine)) as session:
        now = datetime.now(UTC)
        announce_worker(session, "worker1@host", now=now)
        announce_worker(session, "worker2@host", now=now)
        worker_modes.tell(session, "worker2@host", Mode.DRAINING, now=now)
        job = make_training(session)
        claim(session, job, worker="worker2@host")
    engine.dispose()
    stack = replace(make_stack(), environment={"LACUNA_DATABASE_URL": fresh_database})

    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, stack)
        done = lacuna.invoke(app, ["status", "--data-dir", str(tmp_path)])

    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["worker1@host", "working"] in lines
    assert ["worker2@host", "draining", str(job.id)] in lines


def test_the_status_says_that_the_database_is_away(lacuna: CliRunner, tmp_path: Path) -> None:
    away = {"LACUNA_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/lacuna"}

    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, replace(make_stack(), environment=away))
        done = lacuna.invoke(app, ["status", "--data-dir", str(tmp_path)])

    assert "The database does not answer: which workers live is not known." in done.stdout


def test_without_a_database_no_key_is_made_and_it_is_said(
    lacuna: CliRunner, tmp_path: Path
) -> None:
    away = {"LACUNA_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:9/lacuna"}

    told = ["api-keys", "list", "--data-dir", str(tmp_path)]
    done = lacuna.invoke(app, told, env=away | {"LACUNA_PEPPER": "pepper"})

    assert done.exit_code == 1
    assert "The database does not answer" in done.stderr


def test_stopping_nothing_is_no_failure(lacuna: CliRunner, tmp_path: Path) -> None:
    done = lacuna.invoke(app, ["down", "--data-dir", str(tmp_path)])

    assert (done.exit_code, done.stdout) == (0, f"Nothing runs in {tmp_path}.\n")


def test_stopping_what_does_not_stop_fails(lacuna: CliRunner, tmp_path: Path) -> None:
    with data_folder.held(tmp_path):
        done = lacuna.invoke(app, ["down", "--data-dir", str(tmp_path), "--timeout", "0"])

    assert done.exit_code == 1
    assert "It has not ended after 0 s" in done.stderr


def test_a_second_stack_in_a_folder_is_refused_and_the_first_is_named(
    lacuna: CliRunner, tmp_path: Path
) -> None:
    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, make_stack())
        done = lacuna.invoke(app, ["up", "--data-dir", str(tmp_path)])

    assert done.exit_code == 1
    assert f"Lacuna runs already in {tmp_path}: pid 7, {NOBODY_LISTENS}." in done.stderr


def test_migrating_asks_which_database(lacuna: CliRunner, tmp_path: Path) -> None:
    done = lacuna.invoke(app, ["migrate", "--data-dir", str(tmp_path)])

    assert done.exit_code == 1
    assert "which database?" in done.stderr


def test_migrating_twice_does_no_harm(
    lacuna: CliRunner, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_DATABASE_URL", fresh_database)

    done = lacuna.invoke(app, ["migrate"])

    assert (done.exit_code, done.stdout) == (0, "The database is at the newest schema.\n")


def test_a_malformed_environment_is_refused_before_anything_starts(
    lacuna: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_LEASE_SECONDS", "soon")

    done = lacuna.invoke(app, ["version"])

    assert done.exit_code == 1
    assert "lease_seconds" in done.stderr


def test_a_recipe_that_nobody_knows_gives_the_exit_code_of_the_workers_side(
    lacuna: CliRunner, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = lacuna.invoke(app, ["recipe", "check", "nonesuch", "--data-dir", str(tmp_path)])

    assert done.exit_code == 1
    assert "nonesuch" in capfd.readouterr().err


def every_command(command: Any, path: str = "lacuna") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(every_command(get_command(app))))
def test_every_command_and_option_is_explained(path: str, command: Any) -> None:
    unexplained = [option.name for option in command.params if not option.help]

    assert command.help, path
    assert unexplained == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.9, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h")],
)
def test_a_duration_is_told_in_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_columns_are_as_wide_as_their_widest_word() -> None:
    assert columns([("a", "bb"), ("ccc", "d")]) == "  a    bb\n  ccc  d"


def test_an_audit_that_trains_is_refused_in_words_where_torch_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit):
        audit.require(installed=False)

    assert "pip install 'lacuna[worker]'" in capsys.readouterr().err


def test_what_opendsr_can_never_sign_with_is_said_before_anything_starts(
    lacuna: CliRunner, tmp_path: Path
) -> None:
    result = lacuna.invoke(
        app,
        ["up", "--data-dir", str(tmp_path / "data")],
        env={"LACUNA_OPENDSR_DOMAIN": "forget.example.com"},
    )

    assert result.exit_code == 1
    assert "LACUNA_OPENDSR_CERTIFICATE is not" in result.output
    assert not (tmp_path / "data").exists()
