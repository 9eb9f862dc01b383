"""`lacuna withdrawals`, and `lacuna verify --withdrawals`, as somebody runs them who has files."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.surroundings import of_python
from app.evidence import note, statement
from app.evidence.checkpoint import Checkpoint
from app.evidence.statement import Statement
from app.evidence.withdrawals import Withdrawal
from tests.evidence.issuing import LOG_KEY, ORIGIN, THIEF_KEY, alone, digest
from tests.evidence.listing import listing, signed, withdrawn

WEIGHTS = b"weights"
MINE = sha256(WEIGHTS).hexdigest()
STATED = {"requests": ["r-1"], "outcomes": [{"model": "faces", "withdrawn": []}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the key of a ledger, weights, and the receipt that is about them."""
    (tmp_path / "log.vkey").write_text(note.vkey(LOG_KEY) + "\n")
    (tmp_path / "faces-1.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "receipt.json").write_bytes(receipt_of(STATED))
    return tmp_path


def receipt_of(predicate: dict[str, object]) -> bytes:
    """The receipt of a statement about the weights, alone in its ledger."""
    return alone(statement.encode(Statement({"faces-1.safetensors": MINE}, predicate)))


def listed(folder: Path, *members: Withdrawal, **facts: object) -> None:
    """The list that lies in the folder."""
    made = replace(listing(*members), **facts)  # type: ignore[arg-type]  # whatever a test is about
    (folder / "list.json").write_bytes(signed(made))


def run(command: str, folder: Path, *options: str) -> tuple[int, str]:
    """The exit code, and all that was said, on one line."""
    file = {"withdrawals": "list.json", "verify": "receipt.json"}[command]
    arguments = [command, str(folder / file), "--key", str(folder / "log.vkey"), *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.output.split())


def look_up(folder: Path, *options: str) -> tuple[int, str]:
    weights = str(folder / "faces-1.safetensors")
    return run("withdrawals", folder, "--weights", weights, *options)


def verify(folder: Path, *options: str) -> tuple[int, str]:
    return run("verify", folder, "--withdrawals", str(folder / "list.json"), *options)


def test_weights_that_are_withdrawn_are_said_to_be_and_by_what_they_are_succeeded(
    folder: Path,
) -> None:
    listed(folder, withdrawn(1, 2, weights=MINE), withdrawn(2, 3))

    code, told = look_up(folder)

    assert code == 3
    assert "list.json verifies." in told
    assert "faces-1.safetensors IS WITHDRAWN: it is version 1 of faces, withdrawn 2026-05" in told
    assert "it had seen samples that were to be forgotten" in told
    assert f"Use version 3, SHA-256 {digest(3)}." in told


def test_weights_that_are_not_on_the_list_may_be_used_and_its_limits_are_said(
    folder: Path,
) -> None:
    listed(folder, withdrawn(2, 3))

    code, told = look_up(folder)

    assert code == 0
    assert "faces-1.safetensors is not withdrawn" in told
    proved, not_proved = told.split("This is not proved:")
    assert f"signed over its first 20 entries, whose root hash it says is {'00' * 32}" in proved
    assert "That nothing was withdrawn since 2026-05-04T12:00:00+00:00" in not_proved


def test_of_several_weights_one_that_is_withdrawn_is_enough(folder: Path) -> None:
    listed(folder, withdrawn(1, 2, weights=MINE))
    other = folder / "other"
    other.write_bytes(b"other")

    code, told = look_up(folder, "--weights", str(other))

    assert code == 3
    assert "other is not withdrawn" in told


def test_without_weights_it_is_told_what_was_withdrawn(folder: Path) -> None:
    listed(folder, withdrawn(1, 2), withdrawn(2, 3), withdrawn(5, None, model="names"))

    code, told = run("withdrawals", folder)

    assert code == 0
    assert "Versions withdrawn by 2026-05-04T12:00:00+00:00: 3." in told
    assert "Version 1 of faces, withdrawn" in told
    assert "Nothing took its place." in told


def test_of_a_long_list_the_newest_are_told(folder: Path) -> None:
    listed(folder, *(withdrawn(number, number + 1) for number in range(1, 24)), ledger=head(30))

    _, told = run("withdrawals", folder)

    assert "Version 23 of faces" in told
    assert "Version 3 of faces" not in told
    assert "3 more, which were withdrawn before these." in told


def head(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, bytes(32))


def test_an_older_list_looks_the_same_until_somebody_asks_for_a_newer(folder: Path) -> None:
    listed(folder, listed_at=datetime.now(UTC) - timedelta(days=3))

    replayed = look_up(folder)
    refused = look_up(folder, "--max-age", "2")

    assert replayed[0] == look_up(folder, "--max-age", "4")[0] == 0
    assert "an older list in the place of a newer one looks the same" in replayed[1]
    assert refused[0] == 1
    assert "list.json verifies and is too old: it was made" in refused[1]


def test_a_list_of_another_key_is_refused(folder: Path) -> None:
    listed(folder)
    (folder / "log.vkey").write_text(note.vkey(THIEF_KEY))

    code, told = look_up(folder)

    assert code == 1
    assert "list.json does not verify: none of the keys you trust" in told


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff", b"[" * 9])
def test_what_is_no_list_is_refused_in_words(folder: Path, content: bytes) -> None:
    (folder / "list.json").write_bytes(content)

    for code, told in (look_up(folder), verify(folder)):
        assert code == 1
        assert "list.json does not verify: " in told
        assert "Traceback" not in told


@pytest.mark.parametrize("missing", ["list.json", "log.vkey", "faces-1.safetensors"])
def test_a_file_that_is_not_there_is_told(folder: Path, missing: str) -> None:
    listed(folder)
    (folder / missing).unlink()

    code, told = look_up(folder)

    assert code == 1
    assert f"{missing} cannot be read: No such file or directory" in told


def test_a_receipt_is_verified_and_its_weights_are_looked_up(folder: Path) -> None:
    listed(folder, withdrawn(2, 3))
    good = verify(folder)
    listed(folder, withdrawn(1, 2, weights=MINE))
    withdrawn_since = verify(folder)

    assert (good[0], withdrawn_since[0]) == (0, 3)
    assert "faces-1.safetensors is not withdrawn" in good[1]
    assert "receipt.json verifies." in withdrawn_since[1]
    assert "faces-1.safetensors IS WITHDRAWN" in withdrawn_since[1]
    assert f"Use version 2, SHA-256 {digest(2)}." in withdrawn_since[1]


def test_a_list_from_before_the_receipt_is_said_to_be_one(folder: Path) -> None:
    listed(folder, ledger=head(0))
    older = verify(folder)
    listed(folder, ledger=head(2))
    newer = verify(folder)

    assert (older[0], newer[0]) == (0, 0)
    assert "it is older than the receipt, which is entry 0." in older[1]
    assert "older than the receipt" not in newer[1]


def test_a_list_that_hides_what_the_receipt_says_was_withdrawn_is_refused(folder: Path) -> None:
    old = {"number": 1, "weights_sha256": digest(1)}
    outcomes = [{"model": "faces", "withdrawn": [old]}]
    (folder / "receipt.json").write_bytes(receipt_of(STATED | {"outcomes": outcomes}))
    listed(folder, withdrawn(1, 2))
    shown = verify(folder)
    listed(folder)

    hidden = verify(folder)

    assert (shown[0], hidden[0]) == (0, 1)
    assert "version 1 of 'faces' was withdrawn, and the list, of 20 entries, does not" in hidden[1]


def test_it_needs_neither_torch_nor_settings_nor_anything_that_runs(folder: Path) -> None:
    listed(folder)
    program = (
        "import sys; from app.cli.main import app\n"
        "try: app()\n"
        "finally: print(sorted({'torch', 'workers', 'models'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "withdrawals", "list.json", "--key", "log.vkey"],
        cwd=folder,
        env=of_python(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_nothing_in_a_list_steers_a_terminal(folder: Path) -> None:
    listed(folder, withdrawn(1, 2, model="\x1b[2J"))

    _, told = run("withdrawals", folder)

    assert "\x1b" not in told
    assert "Version 1 of ?[2J, withdrawn" in told
