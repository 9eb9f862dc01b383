"""What lies in the store, or in a work folder, and belongs to nobody, is found and removed."""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from structlog.testing import capture_logs

from app.db import transaction
from app.ledger import jobs, stored_weights
from app.ledger.states import JobState
from app.store import Store
from tests.factories import (
    NOW,
    make_dataset,
    make_job,
    make_model,
    make_training,
    make_version,
)
from tests.workers.storing import digest, entered, kept, owned, put
from tests.workers.test_purging import late, withdrawn
from workers import sweeping, tidying, work_folders
from workers.station import Station

GRACE = timedelta(days=7)
LONG_AGO = NOW - GRACE - timedelta(seconds=1)
OF_LATE = NOW - GRACE + timedelta(seconds=1)


def age(path: Path, written: datetime) -> None:
    os.utime(path, (written.timestamp(), written.timestamp()))


def lay(station: Station, folder: Path, weights: str, *, written: datetime = LONG_AGO) -> str:
    """Weights in the store, and when they were put there."""
    known = put(station, folder, weights)
    age(Path(station.store.path(known)), written)
    return known


def test_weights_that_no_row_tells_of_go_after_their_time_and_that_is_entered(
    station: Station, tmp_path: Path
) -> None:
    lay(station, tmp_path, "cut off")
    lay(station, tmp_path, "perhaps under way", written=OF_LATE)

    with capture_logs() as told:
        tidying.tidy(station)
    tidying.remove_unpublished(station)

    assert kept(station, "cut off", "perhaps under way") == {"perhaps under way"}
    (entry,) = entered(station)
    assert entry["weights_sha256"] == digest("cut off")
    assert (entry["job"], entry["made_by"]) == (None, None)
    assert [line["event"] for line in told] == ["stray_weights"]


def test_killed_after_it_was_found_the_next_sweep_removes_it_once(
    station: Station, tmp_path: Path
) -> None:
    lay(station, tmp_path, "cut off")

    for _ in range(2):
        tidying.tidy(station)
    for _ in range(2):
        tidying.remove_unpublished(station)

    assert kept(station, "cut off") == set()
    assert len(entered(station)) == 1


def test_what_a_version_or_a_job_has_stays_however_old(station: Station, tmp_path: Path) -> None:
    with transaction(station.sessions) as session:
        version = make_version(session, weights="of a version")
        job = make_job(session, parent=version)
        stored_weights.own(session, job, digest("of a job"), made_by="hamu", now=NOW)
    for weights in ("of a version", "of a job"):
        lay(station, tmp_path, weights)

    tidying.tidy(station)
    tidying.remove_unpublished(station)

    assert kept(station, "of a version", "of a job") == {"of a version", "of a job"}
    assert entered(station) == []


def test_purged_weights_that_lie_there_again_are_removed_again(
    station: Station, tmp_path: Path
) -> None:
    withdrawn(station, "purged", successor="new")
    sweeping.purge(late(station))
    lay(station, tmp_path, "purged")

    tidying.tidy(station)
    tidying.remove_unpublished(station)

    assert kept(station, "purged") == set()


def test_what_a_killed_writer_had_begun_goes_and_what_is_whole_or_not_ours_stays(
    station: Station, tmp_path: Path
) -> None:
    with transaction(station.sessions) as session:
        make_version(session, weights="whole")
    whole = Path(station.store.path(lay(station, tmp_path, "whole")))
    begun, beginning = (whole.with_name(f"{whole.name}.part-{number}") for number in (1, 2))
    others = whole.with_name("README")
    for path in (begun, beginning, others):
        path.write_text("wh")
        age(path, OF_LATE if path == beginning else LONG_AGO)

    tidying.tidy(station)

    assert sorted(whole.parent.iterdir()) == sorted([whole, beginning, others])


def test_what_was_found_and_is_gone_by_now_is_passed_over(station: Station, tmp_path: Path) -> None:
    class Emptying(Store):
        """A store out of which somebody else has just taken what was found."""

        def has(self, digest: str) -> bool:
            return False

    lay(station, tmp_path, "cut off")

    tidying.tidy(replace(station, store=Emptying(station.settings.store)))

    assert owned(station) == []


def test_an_empty_store_is_tidy(station: Station) -> None:
    tidying.tidy(station)

    assert owned(station) == []


def test_folders_of_jobs_that_ended_while_their_worker_was_killed_are_cleared(
    station: Station,
) -> None:
    with transaction(station.sessions) as session:
        ended = make_job(session)
        jobs.finish(session, ended, JobState.CANCELLED, now=NOW)
        active = make_training(session, make_model(session, make_dataset(session, "more"), "more"))
    folders = [work_folders.all_of(station.settings) / str(job.id) for job in (ended, active)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "retain.json").write_text('["ada-0"]')

    work_folders.clear(station)

    assert [folder.exists() for folder in folders] == [False, True]


def test_where_nobody_has_worked_yet_there_is_nothing_to_clear(station: Station) -> None:
    work_folders.clear(station)

    assert not work_folders.all_of(station.settings).exists()
