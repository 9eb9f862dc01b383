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
from app.store import Store, digest_of


@contextmanager
def stored(session: Session, store: Store, weights: IO[bytes]) -> Iterator[str]:
    """Store weights for the block that makes a version of them; removed again if it refuses.

    The lock keeps one upload that is refused from taking away what another of the same weights
    has just found in the store.
    """
    with TemporaryDirectory() as folder:
        local = Path(folder) / "weights"
        with local.open("wb") as copy:
            shutil.copyfileobj(weights, copy)
        digest = digest_of(local)
        stored_weights.lock_digest(session, digest)
        known_weights.refuse_forgotten(session, digest)  # they are not even stored
        store.put(local)
    try:
        yield digest
    except ServiceError:
        if not stored_weights.in_use(session, digest):
            store.purge(digest)
        raise
