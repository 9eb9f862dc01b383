"""Weights that a job stored and did not publish go; whatever dies, none is left behind."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from app.db import transaction
from app.ledger import endings, jobs, stored_weights
from app.ledger.jobs import LeaseLost
from app.ledger.states import JobState, VersionState
from app.ledger.tables import Dataset
from tests.factories import NOW, make_model, make_request, make_training, make_version
from tests.workers.storing import (
    Scripted,
    change,
    digest,
    entered,
    kept,
    live,
    owned,
    put,
    sit_down,
    training,
    unlearning,
)
from tests.workers.test_purging import Refusing, late, states, withdrawn
from workers import steps, sweeping, tidying
from workers.desk import Desk
from workers.station import Station

FAIL = partial(endings.abandon, state=JobState.FAILED, now=NOW, retry_seconds=0.0, reason="test")
CANCEL = partial(endings.cancel, now=NOW, retry_seconds=0.0)


def made(station: Station, job_id: UUID, folder: Path, *weights: str) -> Desk:
    """A desk at which an unlearning job has made and stored its first weights."""
    desk = sit_down(station, job_id, folder, Scripted(list(weights), verdicts=["pass"]))
    steps.unlearn(desk)
    return desk


def test_what_an_audit_overruled_goes_while_its_job_makes_other_weights_and_publishes_them(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station)
    child = Scripted(["overruled", "retrained"], verdicts=["escalate", "pass"])
    desk = sit_down(station, job_id, tmp_path, child)

    steps.unlearn(desk)
    before = kept(station, "overruled")
    steps.audit(desk)
    tidying.remove_unpublished(station)
    during = kept(station, "overruled")
    for step in (steps.unlearn, steps.audit, steps.publish):
        step(desk)
    tidying.remove_unpublished(station)

    assert (before, during) == ({"overruled"}, set())
    assert kept(station, "overruled", "retrained") == {"retrained"}
    assert live(station, job_id) == digest("retrained")
    (entry,) = entered(station)
    assert (entry["job"], entry["made_by"]) == (str(job_id), "hamu")
    assert entry["weights_sha256"] == digest("overruled")
    assert (entry["at"], entry["weights_kept_for_another"]) == (NOW.isoformat(), False)
    assert owned(station) == []


@pytest.mark.parametrize("end", [FAIL, CANCEL])
def test_what_a_failed_or_cancelled_job_stored_goes(
    station: Station, tmp_path: Path, end: partial[None]
) -> None:
    job_id = unlearning(station)
    made(station, job_id, tmp_path, "made")

    tidying.remove_unpublished(station)
    before = kept(station, "made")
    change(station, job_id, end)
    tidying.remove_unpublished(station)

    assert (before, kept(station, "made")) == ({"made"}, set())
    assert [entry["weights_sha256"] for entry in entered(station)] == [digest("made")]


def test_what_waits_for_a_persons_word_stays_and_goes_when_that_is_no(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station, "retrain")
    desk = sit_down(station, job_id, tmp_path, Scripted(["unsure"], verdicts=["inconclusive"]))
    steps.unlearn(desk)
    steps.audit(desk)

    tidying.remove_unpublished(station)
    waiting = kept(station, "unsure")
    change(station, job_id, partial(endings.ask_to_cancel, now=NOW, retry_seconds=0.0))
    tidying.remove_unpublished(station)

    assert (waiting, kept(station, "unsure")) == ({"unsure"}, set())


def ask(station: Station) -> None:
    with transaction(station.sessions) as session:
        make_request(session, "ada")


def test_a_first_training_of_whose_people_one_asks_meanwhile_stores_nothing(
    station: Station, tmp_path: Path
) -> None:
    job_id = training(station)
    asked = Scripted(["saw ada"], before=lambda: ask(station))
    desk = sit_down(station, job_id, tmp_path, asked)

    with pytest.raises(LeaseLost):
        steps.train(desk)

    assert kept(station, "saw ada") == set()


def test_what_a_first_training_stored_goes_when_one_of_its_people_asks_and_its_repetition_stays(
    station: Station, tmp_path: Path
) -> None:
    job_id = training(station)
    desk = sit_down(station, job_id, tmp_path, Scripted(["saw ada"]))
    steps.train(desk)

    ask(station)

    with pytest.raises(LeaseLost):
        steps.publish(desk)
    tidying.remove_unpublished(station)
    again = sit_down(station, job_id, tmp_path, Scripted(["saw others"]))
    steps.train(again)
    steps.publish(again)
    tidying.remove_unpublished(station)
    assert kept(station, "saw ada", "saw others") == {"saw others"}
    assert live(station, job_id) == digest("saw others")
    assert [entry["made_by"] for entry in entered(station)] == ["trained"]


def test_killed_between_the_row_and_the_bytes_the_end_of_the_job_is_stated_all_the_same(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station)
    desk = sit_down(station, job_id, tmp_path, Scripted(["never stored"]))
    with desk.held() as (session, job):
        stored_weights.own(session, job, digest("never stored"), made_by="hamu", now=NOW)

    change(station, job_id, FAIL)
    tidying.remove_unpublished(station)

    assert len(entered(station)) == 1
    assert owned(station) == []


def test_killed_between_the_bytes_and_the_step_the_next_attempt_owns_them_again(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station)
    desk = sit_down(station, job_id, tmp_path, Scripted(["same", "same"], verdicts=["pass"]))
    (tmp_path / "hamu.safetensors").write_text("same")
    desk.keep("hamu", digest("same"))
    change(station, job_id, lambda session, job: stored_weights.release(session, job, now=NOW))

    steps.unlearn(desk)
    tidying.remove_unpublished(station)
    steps.audit(desk)
    steps.publish(desk)
    tidying.remove_unpublished(station)

    assert kept(station, "same") == {"same"}
    assert entered(station) == []


def test_killed_between_the_removal_and_the_entry_the_next_sweep_writes_it_once(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station)
    made(station, job_id, tmp_path, "made")
    change(station, job_id, FAIL)
    station.store.purge(digest("made"))

    for _ in range(2):
        tidying.remove_unpublished(station)

    assert len(entered(station)) == 1


@pytest.mark.parametrize("other", ["version", "job"])
def test_the_same_bytes_stay_for_another_that_has_a_use_for_them(
    station: Station, tmp_path: Path, other: str
) -> None:
    job_id = unlearning(station)
    made(station, job_id, tmp_path, "made")
    change(station, job_id, FAIL)
    with transaction(station.sessions) as session:
        line = jobs.get(session, job_id).model
        if other == "version":
            make_version(session, line, weights="made")
        else:
            job = jobs.queue_training(
                session, line, jobs.get(session, job_id).training_set, now=NOW
            )
            stored_weights.own(session, job, digest("made"), made_by="trained", now=NOW)

    tidying.remove_unpublished(station)

    assert kept(station, "made") == {"made"}
    assert [entry["weights_kept_for_another"] for entry in entered(station)] == [True]


def test_weights_that_the_store_keeps_hold_up_no_others_and_are_tried_again(
    station: Station, tmp_path: Path
) -> None:
    job_id = unlearning(station)
    desk = made(station, job_id, tmp_path, "one")
    desk.out("other").write_text("two")
    desk.keep("other", digest("two"))
    change(station, job_id, FAIL)
    refusing = replace(station, store=Refusing(station.settings.store, digest("one")))

    with capture_logs() as told:
        tidying.remove_unpublished(refusing)
    left = kept(station, "one", "two")
    tidying.remove_unpublished(station)

    assert [line["event"] for line in told] == ["not_removed"]
    assert (left, kept(station, "one", "two")) == ({"one"}, set())


def test_a_purge_leaves_the_bytes_that_a_job_has_just_made_too(
    station: Station, tmp_path: Path
) -> None:
    put(station, tmp_path, "same")
    (old,) = withdrawn(station, "same", successor="new")
    with transaction(station.sessions) as session:
        line = make_model(session, session.scalars(select(Dataset)).one(), "other")
        job = make_training(session, line)
        stored_weights.own(session, job, digest("same"), made_by="trained", now=NOW)

    sweeping.purge(late(station))

    assert states(station, [old]) == [VersionState.PURGED]
    assert kept(station, "same") == {"same"}
