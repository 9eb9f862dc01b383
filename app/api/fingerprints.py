"""What two uploads are told apart by, for their Idempotency-Key; read through, not into memory."""

import hashlib
import hmac
from typing import IO, Protocol

PART = 1 << 20


class Hash(Protocol):
    """What is told the bytes, part by part."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def plain(file: IO[bytes]) -> str:
    """SHA-256 of what names nobody, 64 hex digits."""
    return read_through(file, hashlib.sha256())


def keyed(file: IO[bytes], pepper: str) -> str:
    """HMAC-SHA256 under the pepper, 64 hex digits.

    For what names people or their samples: of a short list a plain digest would tell a guesser
    with a copy of the database that the guess was right.
    """
    return read_through(file, hmac.new(pepper.encode(), digestmod=hashlib.sha256))


def read_through(file: IO[bytes], found: Hash) -> str:
    """The digest of a file, which is left at its beginning."""
    while part := file.read(PART):
        found.update(part)
    file.seek(0)
    return found.hexdigest()
