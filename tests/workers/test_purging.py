"""The clerk destroys the weights of withdrawn versions, unless another version has the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.db import transaction
from app.ledger import batching, versions
from app.ledger.states import VersionState
from tests.factories import DAY, NOW, make_request, make_version, run_through
from workers import sweeping
from workers.station import Station


def kept(station: Station, digests: dict[str, str]) -> set[str]:
    """Whose weights the store has."""
    exists, path = station.store.filesystem.exists, station.store.path
    return {weights for weights, digest in digests.items() if exists(path(digest))}


@pytest.mark.parametrize("successor", ["new", "old"])
def test_weights_go_after_their_time_unless_they_are_still_in_use(
    station: Station, tmp_path: Path, successor: str
) -> None:
    digests = {}
    for weights in ("old", successor):
        file = tmp_path / weights
        file.write_text(weights)
        digests[weights] = station.store.put(file)
    with transaction(station.sessions) as session:
        old = make_version(session, weights="old")
        make_request(session, "ada")
        job = batching.batch(session, old.model_id, now=NOW, flush=True)
        assert job is not None
        assert run_through(session, job, weights=successor).weights_digest == digests[successor]

    sweeping.purge(station)
    before = kept(station, digests)
    sweeping.purge(replace(station, clock=lambda: NOW + 8 * DAY))

    assert (before, kept(station, digests)) == ({"old", successor}, {successor})
    with transaction(station.sessions) as session:
        assert versions.by_id(session, old.id).state is VersionState.PURGED
