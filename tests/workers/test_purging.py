"""The clerk destroys the weights of withdrawn versions, unless another version has the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from app.db import transaction
from app.ledger import batching, versions
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import VersionState
from app.ledger.tables import Model
from app.store import Store
from tests.factories import DAY, NOW, make_request, make_version, run_through
from workers import sweeping
from workers.station import Station

LATER = NOW + 8 * DAY


class Refusing(Store):
    """A store that does not give up the weights of one digest."""

    def __init__(self, url: str, kept: str) -> None:
        super().__init__(url)
        self.kept = kept

    def purge(self, digest: str) -> None:
        if digest == self.kept:
            raise PermissionError(digest)
        super().purge(digest)


def put(station: Station, folder: Path, *contents: str) -> dict[str, str]:
    """Weights that lie in the store, and their digests."""
    digests = {}
    for weights in contents:
        file = folder / weights
        file.write_text(weights)
        digests[weights] = station.store.put(file)
    return digests


def kept(station: Station, digests: dict[str, str]) -> set[str]:
    """Whose weights the store has."""
    return {weights for weights, digest in digests.items() if station.store.has(digest)}


def withdrawn(station: Station, *contents: str, successor: str) -> list[UUID]:
    """Versions with these weights, all of which have the same successor."""
    with transaction(station.sessions) as session:
        old = make_version(session, weights=contents[0])
        line = session.get_one(Model, old.model_id)
        ids = [old.id, *(make_version(session, line, weights=each).id for each in contents[1:])]
        make_request(session, "ada")
        job = batching.batch(session, line.id, now=NOW, flush=True)
        assert job is not None
        run_through(session, job, weights=successor)
    return ids


def late(station: Station) -> Station:
    """The station when the grace time is over."""
    return replace(station, clock=lambda: LATER)


def states(station: Station, ids: list[UUID]) -> list[VersionState]:
    with transaction(station.sessions) as session:
        return [versions.by_id(session, version_id).state for version_id in ids]


def entered(station: Station) -> list[dict[str, Any]]:
    """What the ledger says of purges."""
    with transaction(station.sessions) as session:
        payloads = session.scalars(
            select(LedgerPayload.payload)
            .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
            .where(LedgerEntry.kind == "model_version.purged")
            .order_by(LedgerEntry.id)
        )
        return [json.loads(payload) for payload in payloads]


@pytest.mark.parametrize("successor", ["new", "old"])
def test_weights_go_after_their_time_unless_they_are_still_in_use(
    station: Station, tmp_path: Path, successor: str
) -> None:
    digests = put(station, tmp_path, "old", successor)
    ids = withdrawn(station, "old", successor=successor)

    sweeping.purge(station)
    before = kept(station, digests)
    sweeping.purge(late(station))

    assert (before, kept(station, digests)) == ({"old", successor}, {successor})
    assert states(station, ids) == [VersionState.PURGED]


@pytest.mark.parametrize("successor", ["new", "old"])
def test_each_purge_is_entered_once_and_says_whether_the_bytes_are_gone(
    station: Station, tmp_path: Path, successor: str
) -> None:
    digests = put(station, tmp_path, "old", successor)
    (purged,) = withdrawn(station, "old", successor=successor)

    for _ in range(2):
        sweeping.purge(late(station))

    (entry,) = entered(station)
    assert (entry["id"], entry["at"]) == (str(purged), LATER.isoformat())
    assert entry["weights_sha256"] == digests["old"]
    assert entry["weights_kept_for_another_version"] is (successor == "old")


def test_killed_between_the_bytes_and_the_entry_the_next_sweep_writes_it(
    station: Station, tmp_path: Path
) -> None:
    digests = put(station, tmp_path, "old", "new")
    ids = withdrawn(station, "old", successor="new")
    station.store.purge(digests["old"])

    sweeping.purge(late(station))

    assert states(station, ids) == [VersionState.PURGED]
    assert len(entered(station)) == 1


def test_weights_that_the_store_keeps_hold_up_no_others_and_are_tried_again(
    station: Station, tmp_path: Path
) -> None:
    digests = put(station, tmp_path, "one", "two", "new")
    ids = withdrawn(station, "one", "two", successor="new")
    refusing = Refusing(station.settings.store, digests["one"])

    with capture_logs() as told:
        sweeping.purge(replace(late(station), store=refusing))

    assert [line["event"] for line in told] == ["not_purged"]
    assert kept(station, digests) == {"one", "new"}
    assert states(station, ids) == [VersionState.WITHDRAWN, VersionState.PURGED]
    sweeping.purge(late(station))
    assert states(station, ids) == [VersionState.PURGED, VersionState.PURGED]
