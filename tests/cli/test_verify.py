"""`lacuna verify`, as somebody runs it who has a receipt, a public key and nothing else."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.offline import printable
from app.cli.surroundings import of_python
from app.cli.verify import summary
from app.evidence import note, statement
from app.evidence.statement import Statement
from app.ledger.reasons import (
    DENIAL_WORDS,
    WITHDRAWAL_WORDS,
    DenialReason,
    WithdrawalReason,
)
from tests.evidence.issuing import (
    LOG_KEY,
    RECEIPT,
    THIEF_KEY,
    WITNESS,
    WITNESS_KEY,
    alone,
    issued,
)

WEIGHTS = b"weights"
PREDICATE = {
    "event": "completed",
    "requests": ["r-1"],
    "forget_set": {"count": 2, "sha256": "00"},
    "received_at": "2026-03-02",
    "due_at": "2026-04-02",
    "completed_at": "2026-03-03",
    "outcomes": [
        {
            "model": "faces",
            "version": {"number": 2},
            "withdrawn": [{"number": 1}],
            "job": {
                "method": "hamu",
                "parent": {"number": 1},
                "audit": {
                    "verdict": "pass",
                    "numbers": {
                        "loss.leak": 0.01,
                        "spread.detectable": 0.2,
                        "loss.detectable": 0.125,
                    },
                },
            },
        },
        {"model": "small", "version": {"number": 1}, "withdrawn": [], "job": None},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a receipt and the key of its ledger."""
    (tmp_path / "receipt.json").write_bytes(RECEIPT)
    (tmp_path / "log.vkey").write_text(note.vkey(LOG_KEY) + "\n")
    return tmp_path


def verify(folder: Path, *options: str, key: str = "log.vkey") -> tuple[int, str]:
    """The exit code, and all that was said."""
    arguments = ["verify", str(folder / "receipt.json"), "--key", str(folder / key), *options]
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_a_receipt_verifies_and_it_is_said_what_that_proves_and_what_not(folder: Path) -> None:
    code, told = verify(folder)

    assert code == 0
    assert "receipt.json verifies." in told
    proved, not_proved = told.split("This is not proved:")
    assert "entry 5, of type version.published, among the 13 entries" in proved
    assert "another attack may find more" in not_proved
    assert "none were compared" in not_proved


def test_it_needs_neither_torch_nor_settings_nor_anything_that_runs(folder: Path) -> None:
    program = (
        "import sys; from app.cli.main import app\n"
        "try: app()\n"
        "finally: print(sorted({'torch', 'workers', 'models'} & set(sys.modules)))"
    )
    arguments = ["verify", "receipt.json", "--key", "log.vkey"]

    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=of_python(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("place", range(0, len(RECEIPT), 97))
def test_one_byte_that_was_flipped_is_refused_in_words(folder: Path, place: int) -> None:
    flipped = bytearray(RECEIPT)
    flipped[place] ^= 1
    (folder / "receipt.json").write_bytes(flipped)

    code, told = verify(folder)

    assert code == 1
    assert "receipt.json does not verify: " in told
    assert "Traceback" not in told


def test_the_weights_of_the_receipt_are_told_from_others(folder: Path) -> None:
    weights = folder / "weights"
    weights.write_bytes(WEIGHTS)
    (folder / "receipt.json").write_bytes(about(sha256(WEIGHTS).hexdigest()))

    code, told = verify(folder, "--weights", str(weights))
    weights.write_bytes(bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:])
    other, refused = verify(folder, "--weights", str(weights))

    assert (code, other) == (0, 1)
    assert "The weights that were compared are those it calls w.safetensors." in told
    assert "does not verify: the weights are not those that the statement is about." in refused


def about(weights_digest: str) -> bytes:
    """The receipt of a statement about these weights, alone in its ledger."""
    return alone(statement.encode(Statement({"w.safetensors": weights_digest}, {"requests": []})))


def test_a_receipt_of_another_request_is_refused(folder: Path) -> None:
    assert verify(folder, "--request", "req-5")[0] == 0
    assert "about other requests than 'req-6'" in verify(folder, "--request", "req-6")[1]


def test_a_key_that_is_not_the_ledgers_is_refused(folder: Path) -> None:
    (folder / "log.vkey").write_text(note.vkey(THIEF_KEY))

    code, told = verify(folder)

    assert code == 1
    assert "none of the keys you trust has signed the statement" in told


def test_of_several_keys_any_will_do_and_a_witness_is_named(folder: Path) -> None:
    (folder / "receipt.json").write_bytes(issued(5, witness=WITNESS))
    keys = [note.vkey(key) for key in (THIEF_KEY, LOG_KEY, WITNESS_KEY)]
    (folder / "log.vkey").write_text("\n".join(keys))

    code, told = verify(folder)

    assert code == 0
    assert "the witness witness.example" in told


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "holds no key"),
        ("hello", "is not a key of the form name+id+key"),
        (note.vkey(LOG_KEY)[:-4], "has the wrong length"),
        ("\xff", "is not a key"),
    ],
)
def test_a_file_without_a_key_is_refused(folder: Path, content: str, why: str) -> None:
    (folder / "log.vkey").write_text(content)

    code, told = verify(folder)

    assert code == 1
    assert why in " ".join(told.split())


@pytest.mark.parametrize("missing", ["receipt.json", "log.vkey"])
def test_a_file_that_is_not_there_is_told(folder: Path, missing: str) -> None:
    (folder / missing).unlink()

    code, told = verify(folder)

    assert code == 1
    assert f"{missing} cannot be read: No such file or directory" in " ".join(told.split())


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\xfe", b"null", RECEIPT[:-1], b"[" * 9]
)
def test_what_is_no_receipt_is_refused(folder: Path, content: bytes) -> None:
    (folder / "receipt.json").write_bytes(content)

    assert verify(folder)[0] == 1


def test_a_statement_is_put_in_words() -> None:
    request, unlearned, unseen = summary(PREDICATE)

    assert request.startswith(
        "Request r-1, received 2026-03-02 and due 2026-04-02 under the GDPR, over 2 samples"
    )
    assert "Model faces: version 2 is in use, withdrawn: 1." in unlearned
    assert "The route hamu made it in the place of version 1. The audit said: pass." in unlearned
    assert "A leak of 0.12 by loss, 0.20 by spread would have been seen with 80 %" in unlearned
    assert "withdrawn: none. What is in use had not seen the samples" in unseen


DENIED = {name: value for name, value in PREDICATE.items() if name != "outcomes"} | {
    "event": "denied",
    "denied_at": "2026-03-04",
    "reasons": ["no_match", "later_code"],
}


def test_a_denial_says_why_in_words_and_in_its_code() -> None:
    request, known, unknown = summary(DENIED)

    assert request.endswith("over 2 samples, was denied 2026-03-04.")
    assert known == "It was denied for the reason no_match: no data matched who asked."
    assert unknown.startswith("It was denied for the reason later_code: this program is too old")


def test_every_reason_has_words() -> None:
    assert DENIAL_WORDS.keys() == set(DenialReason)
    assert WITHDRAWAL_WORDS.keys() == set(WithdrawalReason)


@pytest.mark.parametrize(
    "predicate",
    [
        {},
        {"event": 7},
        PREDICATE | {"outcomes": [{}]},
        PREDICATE | {"outcomes": 3},
        DENIED | {"reasons": [{}]},
    ],
)
def test_a_statement_of_an_unknown_form_is_said_to_be_one(predicate: dict[str, object]) -> None:
    (told,) = summary(predicate)

    assert "too old to put in words" in told


def test_nothing_in_a_statement_steers_a_terminal() -> None:
    assert printable("a\x1b[2Jb\nc") == "a?[2Jb?c"
