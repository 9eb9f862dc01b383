"""The clerk forgets who asked when their time is over, as the settings say."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.bitmap import Bitmap
from app.db import transaction
from app.ledger import dry_runs, jobs, model_lines, requests
from app.ledger.states import JobState
from tests import factories
from tests.factories import DAY, NOW
from workers import sweeping
from workers.station import Station


def submitted(station: Station) -> UUID:
    """A request that no model had to do with, and that ended at once."""
    with transaction(station.sessions) as session:
        factories.make_dataset(session)
        return factories.make_request(session, "ada").id


def shredded_at(station: Station, request_id: UUID) -> datetime | None:
    with transaction(station.sessions) as session:
        return requests.get(session, request_id).shredded_at


@pytest.mark.parametrize(
    ("months", "later"), [(24, 731 * DAY), (1, 31 * DAY), (0, 0 * DAY)], ids=str
)
def test_a_request_is_shredded_when_its_months_are_over(
    station: Station, months: int, later: timedelta
) -> None:
    request_id = submitted(station)
    settings = station.settings.model_copy(update={"retention_months": months})
    early = replace(station, settings=settings, clock=lambda: NOW + later - DAY)
    late = replace(station, settings=settings, clock=lambda: NOW + later)

    sweeping.shred(early)
    assert shredded_at(station, request_id) is None
    sweeping.shred(late)

    assert shredded_at(station, request_id) == NOW + later


def test_what_a_dry_run_was_about_goes_when_its_months_are_over(station: Station) -> None:
    with transaction(station.sessions) as session:
        line = model_lines.by_id(session, factories.make_version(session).model_id)
        job = dry_runs.queue(session, line, Bitmap([0]), now=NOW)
        jobs.finish(session, job, JobState.CANCELLED, now=NOW)

    sweeping.shred(replace(station, clock=lambda: NOW + 730 * DAY))
    before = named_by(station, job.id)
    sweeping.shred(replace(station, clock=lambda: NOW + 731 * DAY))

    assert (before, named_by(station, job.id)) == (1, 0)


def named_by(station: Station, job_id: UUID) -> int:
    with transaction(station.sessions) as session:
        return len(jobs.get(session, job_id).forget_set)
