"""A paused worker claims nothing; one that drains gives its job back after the present step."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from app.db import transaction
from app.ledger import jobs, worker_modes
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job
from app.ledger.worker_tables import Mode
from tests.factories import NOW, announce_worker, make_training
from workers import running
from workers.child_process import Child
from workers.desk import Desk
from workers.heart import Heart
from workers.station import Station
from workers.steps import STEPS, begin

NAME = "worker1@host"


@pytest.fixture
def job(station: Station) -> Job:
    with transaction(station.sessions) as session:
        announce_worker(session, NAME)
        return make_training(session)


def tell(station: Station, mode: Mode | None) -> None:
    with transaction(station.sessions) as session:
        if mode is None:
            worker_modes.resume(session, NAME, now=NOW)
        else:
            worker_modes.tell(session, NAME, mode, now=NOW)


@pytest.mark.parametrize("mode", list(Mode))
def test_it_claims_nothing_until_it_is_resumed_and_others_do(
    station: Station, job: Job, mode: Mode
) -> None:
    here = replace(station, name=NAME)
    tell(station, mode)

    assert running.claim(here, job.id) is None
    tell(station, None)
    assert running.claim(here, job.id) is not None


def test_another_worker_is_not_meant(station: Station, job: Job) -> None:
    tell(station, Mode.PAUSED)

    assert running.claim(replace(station, name="worker2@host"), job.id) is not None


@pytest.mark.parametrize(
    ("mode", "steps", "held"),
    [(Mode.PAUSED, ["begin", "train"], True), (Mode.DRAINING, ["begin"], False)],
)
def test_only_one_that_drains_lets_go_after_a_step(
    station: Station,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Mode,
    steps: list[str],
    held: bool,
) -> None:
    here, done = replace(station, name=NAME), []
    assignment = running.claim(here, job.id)
    assert assignment is not None
    nobody = cast(Child, None), cast(Heart, None)
    desk = Desk(here, assignment, tmp_path, *nobody)

    def tell_and_begin(desk: Desk) -> None:
        done.append("begin")
        begin(desk)
        tell(station, mode)

    def train(desk: Desk) -> None:
        done.append("train")
        raise InterruptedError

    monkeypatch.setattr(Desk, "open", lambda desk: {})
    monkeypatch.setitem(STEPS[JobKind.TRAIN], JobState.QUEUED, tell_and_begin)
    monkeypatch.setitem(STEPS[JobKind.TRAIN], JobState.TRAINING, train)
    try:
        running.carry(desk)
    except InterruptedError:
        done.append("interrupted")

    assert [step for step in done if step != "interrupted"] == steps
    with transaction(station.sessions) as session:
        row = jobs.get(session, job.id)
        assert (row.state, row.lease_until is not None) == (JobState.TRAINING, held)
        assert row.attempt == (1 if held else 0)
