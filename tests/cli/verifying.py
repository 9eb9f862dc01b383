"""`lacuna verify` on whatever a test gives it, in a folder with a key and weights."""

from hashlib import sha256
from pathlib import Path

from typer.testing import CliRunner

from app.cli.main import app
from app.evidence import note, statement
from app.evidence.statement import Statement
from tests.evidence.issuing import LOG_KEY, alone

WEIGHTS = bytes(range(256))


def furnished(folder: Path) -> Path:
    """A folder with the key of a ledger, and the weights of version 2."""
    (folder / "log.vkey").write_text(note.vkey(LOG_KEY) + "\n")
    (folder / "faces-2.safetensors").write_bytes(WEIGHTS)
    return folder


def verify(folder: Path, content: bytes, *options: str) -> tuple[int, str]:
    """The exit code, and all that was said; an exception that comes through fails the test."""
    (folder / "receipt.json").write_bytes(content)
    arguments = ["verify", str(folder / "receipt.json"), "--key", str(folder / "log.vkey")]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert "Traceback" not in done.output
    return done.exit_code, " ".join(done.output.split())


def version(number: int, weights: bytes = WEIGHTS) -> bytes:
    """The receipt of a statement about the weights of one version."""
    subjects = {f"faces-{number}.safetensors": sha256(weights).hexdigest()}
    return alone(statement.encode(Statement(subjects, {"requests": [f"req-{number}"]})))
