"""A child that takes too much is ended, the attempt fails with a code of its own, and says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from app.config import TIME_LIMITS, Settings
from app.db import transaction
from app.ledger import datasets, imports, model_lines
from app.ledger.policy import Policy
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job
from tests.factories import NOW, key_of, make_training
from tests.workers import tiny
from tests.workers.births import scripted
from workers import running
from workers.child_process import Child, ChildDied
from workers.limits import Limits, Watch, resident
from workers.station import Station

LOTS = 2**40
TAKES_MEMORY = "held = []\nwhile True: held.append(b'x' * 2**24); time.sleep(0.01)"
TAKES_TIME = "time.sleep(3600)"


@pytest.mark.parametrize(
    ("does", "limits", "code", "said"),
    [
        (TAKES_MEMORY, Limits(2**28, 60.0), "memory_limit", "and 0.25 GiB are allowed"),
        (TAKES_TIME, Limits(LOTS, 1.8), "time_limit", "longer than the 0.0005 hours"),
    ],
)
def test_what_is_over_its_limit_ends_the_attempt_with_the_childs_last_words(
    tmp_path: Path, does: str, limits: Limits, code: str, said: str
) -> None:
    script = f"import sys, time\nsys.stderr.write('here I go')\ninput()\n{does}"
    with (
        Child(tmp_path, scripted(script)) as child,
        Watch(child.pid, limits, child.kill) as watch,
        pytest.raises(ChildDied) as death,
    ):
        child.ask("train", print)

    error = running.described(watch.reason(death.value))

    assert error["code"] == code
    assert said in error["detail"]
    assert "the child ended in 'train' with signal SIGKILL: here I go" in error["detail"]
    assert "final" not in error  # a resumed attempt, or another machine, may get further


def test_a_child_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    script = "import time\ninput()\ntime.sleep(0.6)\nprint('{\"result\": {}}', flush=True)"
    with (
        Child(tmp_path, scripted(script)) as child,
        Watch(child.pid, Limits(LOTS, 60.0), child.kill) as watch,
    ):
        assert child.ask("train", print) == {}

    failure = ChildDied("by itself")
    assert watch.reason(failure) is failure


def test_an_accelerator_without_memory_fails_the_attempt_with_a_code_of_its_own(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.greedy:recipe")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with transaction(station.sessions) as session:
        dataset = datasets.create(session, "faces", now=NOW)
        rows = [
            imports.Row(line=line, sample_id=sample_id, subject_key=key_of(sample_id))
            for line, sample_id in enumerate(tiny.pool().ids, start=1)
        ]
        imports.import_samples(session, dataset, rows, now=NOW)
        line = model_lines.create(
            session, "faces", recipe="greedy", dataset=dataset, policy=Policy(), now=NOW
        )
        job_id = make_training(session, line).id

    running.run_job(station, job_id)

    with transaction(station.sessions) as session:
        job = session.scalars(select(Job)).one()
    assert job.error is not None
    assert job.error["code"] == "out_of_memory"
    assert "Tried to allocate 80.00 GiB" in job.error["detail"]
    assert (job.state, job.lease_until) == (JobState.TRAINING, None)
    assert job.not_before is not None


def test_the_memory_of_what_a_child_has_started_counts_too() -> None:
    hold = "held = b'x' * 2**27; print(len(held), flush=True); input()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()

        held = resident(parent.pid)

        parent.communicate(b"\n")
    assert held > 2**27
    assert resident(parent.pid) == 0


def test_limits_are_generous_unless_they_are_set() -> None:
    limits = Limits.of(Settings(time_limit_hours={"assess": 1.0}), JobKind.TRAIN)

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert limits.seconds == 96 * 3600
    assert limits.memory_bytes == pytest.approx(0.9 * whole, rel=0.01)
    assert set(TIME_LIMITS) == {kind.value for kind in JobKind}


@pytest.mark.parametrize("hours", [{"dream": 1.0}, {"train": 0.0}])
def test_a_limit_that_cannot_be_meant_is_refused(hours: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Settings(time_limit_hours=hours)
