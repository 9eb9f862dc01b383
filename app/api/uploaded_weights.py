"""Keeps uploaded weights in the store if a version is made of them, and only then."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.ledger import known_weights, stored_weights
from app.store import Store


@contextmanager
def stored(session: Session, store: Store, weights: IO[bytes], digest: str) -> Iterator[None]:
    """Store weights for the block that makes a version of them; removed again if it refuses.

    `digest` is their SHA-256.

    The lock keeps one upload that is refused from taking away what another of the same weights
    has just found in the store.
    """
    stored_weights.lock_digest(session, digest)
    known_weights.refuse_forgotten(session, digest)  # they are not even stored
    with TemporaryDirectory() as folder:
        local = Path(folder) / "weights"
        with local.open("wb") as copy:
            shutil.copyfileobj(weights, copy)
        store.put(local)
    try:
        yield
    except ServiceError:
        if not stored_weights.in_use(session, digest):
            store.purge(digest)
        raise
