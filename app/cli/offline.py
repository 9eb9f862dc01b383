"""What the commands share that check files with nothing but a public key."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import typer

from app.cli.key_files import read_keys
from app.cli.options import fail
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey

Reader = Callable[[Path], list[VerifierKey]]


def trusted(paths: Sequence[Path], read: Reader = read_keys) -> list[VerifierKey]:
    """The keys of these files; ends the command where one cannot be used."""
    return [key for path in paths for key in keys_of(path, read)]


def keys_of(path: Path, read: Reader) -> list[VerifierKey]:
    try:
        return read(path)
    except OSError as failure:
        fail(f"{path} cannot be read: {failure.strerror}")
    except VerificationFailed as failure:
        fail(f"{path} cannot be used: {failure}.")


def content_of(path: Path, *, most: int) -> bytes:
    """What a file holds; of one that is larger than it may be, enough for that to be seen."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as failure:
        fail(f"{path} cannot be read: {failure.strerror}")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as failure:
        fail(f"{path} cannot be read: {failure.strerror}")


def tell(title: str, sentences: Iterable[str]) -> None:
    """A heading, and what stands under it."""
    typer.echo(f"\n{title}")
    for sentence in sentences:
        typer.echo(f"  - {printable(sentence)}")


def printable(text: str) -> str:
    """A text without anything that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
