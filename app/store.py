"""Where weights lie: one file per digest, in any place that fsspec knows."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import fsspec

from app import crashing

CHUNK = 1 << 20
OURS = re.compile(r"/([0-9a-f]{64})\.safetensors(\.part-[0-9]+)?$")


class StoreCorrupt(Exception):
    """What the store gives back is not what was put in."""


def digest_of(file: Path) -> str:
    """A local file's SHA-256, under which the store keeps it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Kept:
    """A file that lies in the store; one that is not whole was left by somebody who was killed."""

    digest: str
    path: str
    whole: bool


class Store:
    """Immutable files under their SHA-256; written under another name, then moved into place."""

    def __init__(self, url: str) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(url)

    def path(self, digest: str) -> str:
        return f"{self.root}/weights/{digest[:2]}/{digest}.safetensors"

    def put(self, file: Path) -> str:
        """Store a file and read it back; returns its digest. Storing twice changes nothing.

        What lies there damaged is replaced: nobody could ever store these weights otherwise.
        """
        digest = digest_of(file)
        target = self.path(digest)
        if not self.intact(digest):
            self.filesystem.makedirs(self.filesystem._parent(target), exist_ok=True)
            part = f"{target}.part-{file.stat().st_mtime_ns}"
            self.filesystem.put_file(str(file), part)
            crashing.at("store.before_move")
            self.filesystem.mv(part, target)
        crashing.at("store.before_read_back")
        self.verify(digest)
        return digest

    def intact(self, digest: str) -> bool:
        """Whether the store has these weights, to the last bit."""
        try:
            self.verify(digest)
        except (FileNotFoundError, StoreCorrupt):
            return False
        return True

    def verify(self, digest: str) -> None:
        """Read a stored file to its end; raises if its bytes are not those of the digest."""
        found = hashlib.sha256()
        for chunk in self.chunks(digest):
            found.update(chunk)
        if found.hexdigest() != digest:
            raise StoreCorrupt(f"the stored weights {digest} have the digest {found.hexdigest()}")

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The stored bytes, in pieces."""
        with self.open(digest) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def open(self, digest: str) -> IO[bytes]:
        return self.filesystem.open(self.path(digest), "rb")

    def has(self, digest: str) -> bool:
        return bool(self.filesystem.exists(self.path(digest)))

    def size(self, digest: str) -> int:
        return int(self.filesystem.size(self.path(digest)))

    def fetch(self, digest: str, target: Path) -> None:
        """Copy stored weights to a local file, and check them on the way."""
        found = hashlib.sha256()
        with target.open("wb") as local:
            for chunk in self.chunks(digest):
                found.update(chunk)
                local.write(chunk)
        if found.hexdigest() != digest:
            raise StoreCorrupt(f"the stored weights {digest} have the digest {found.hexdigest()}")

    def purge(self, digest: str) -> None:
        """Remove weights for good; removing twice is no error."""
        if self.has(digest):
            self.filesystem.rm(self.path(digest))

    def older(self, than: datetime) -> Iterator[Kept]:
        """What was last written before a moment; files that are not ours are passed over."""
        for path in self.filesystem.find(f"{self.root}/weights"):
            if ours := OURS.search(path):
                with suppress(FileNotFoundError):  # removed meanwhile
                    if self.filesystem.modified(path) < than:
                        yield Kept(ours[1], path, whole=ours[2] is None)

    def clear(self, kept: Kept) -> None:
        """Remove one file that was found."""
        with suppress(FileNotFoundError):
            self.filesystem.rm(kept.path)
