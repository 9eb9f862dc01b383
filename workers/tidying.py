"""Removes weights that no version has from the store: people's samples shaped them all the same."""

from datetime import timedelta
from uuid import UUID

import structlog

from app.db import transaction
from app.ledger import stored_weights
from app.store import Kept
from workers.station import Station

log = structlog.get_logger()


def remove_unpublished(station: Station) -> None:
    """Remove what jobs stored and did not publish: runs that an audit overruled, failed jobs.

    Each in a transaction of its own: a store that refuses one does not hold up the others.
    """
    with transaction(station.sessions) as session:
        due = stored_weights.released(session)
    for row_id, digest in due:
        try:
            remove(station, row_id, digest)
        except OSError:
            log.exception("not_removed", weights=digest)


def remove(station: Station, row_id: UUID, digest: str) -> None:
    """Remove weights that were released, and state it.

    The bytes go first: a crash in between leaves an entry to be written, never weights to be found.
    """
    with transaction(station.sessions) as session:
        stored_weights.lock_digest(session, digest)
        row = stored_weights.lock_released(session, row_id)
        if row is None:
            return
        kept = stored_weights.in_use(session, digest)
        if not kept:
            station.store.purge(digest)
        stored_weights.removed(session, row, kept=kept, now=station.clock())


def tidy(station: Station) -> None:
    """Find what lies in the store and no row tells of, such as uploads that were cut off.

    It has to have lain there for days: a database that was put back to an older state knows less
    than its store, and somebody has to have the time to notice.
    """
    before = station.clock() - timedelta(days=station.settings.stray_days)
    old = list(station.store.older(before))
    for part in old:
        if not part.whole:
            discard(station, part)
    with transaction(station.sessions) as session:
        strange = stored_weights.strange(session, {kept.digest for kept in old if kept.whole})
    for digest in sorted(strange):
        adopt(station, digest)


def adopt(station: Station, digest: str) -> None:
    """Have the next sweep remove weights, unless somebody has a use for them by now."""
    with transaction(station.sessions) as session:
        stored_weights.lock_digest(session, digest)
        if station.store.has(digest) and stored_weights.strange(session, {digest}):
            stored_weights.adopt(session, digest, now=station.clock())
            log.warning("stray_weights", weights=digest)


def discard(station: Station, part: Kept) -> None:
    """Remove what somebody who was killed had begun to write; it never was anybody's weights."""
    try:
        station.store.clear(part)
        log.warning("unfinished_weights_removed", path=part.path)
    except OSError:
        log.exception("not_removed", path=part.path)
