"""Two who want the same row, number or name at once: one has it, the other is told so."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.bitmap import Bitmap
from app.db import transaction
from app.errors import Conflict, IllegalTransition, NameTaken
from app.ledger import (
    batching,
    datasets,
    endings,
    first_training,
    jobs,
    model_lines,
    publishing,
    stored_weights,
)
from app.ledger.states import JobState
from app.ledger.tables import Job, Sample
from app.ledger.transitions import move
from tests.factories import (
    NOW,
    claim,
    digest_of,
    grow,
    make_dataset,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
)
from tests.ledger.conftest import Background, waits

Sessions = sessionmaker[Session]
SOON = 20.0


def test_two_imports_at_once_number_their_samples_without_gap_or_clash(
    sessions: Sessions, background: Background
) -> None:
    def more(session: Session, *people: str) -> None:
        grow(session, datasets.get(session, "faces"), *people)

    with transaction(sessions) as session:
        make_dataset(session)

    with transaction(sessions) as session:
        more(session, "mia", "noa")
        other = background(lambda session: more(session, "noa", "pia"))
        assert waits(other)

    other.result(SOON)
    with transaction(sessions) as session:
        found = session.scalars(select(Sample).order_by(Sample.ordinal)).all()
        assert [sample.ordinal for sample in found] == list(range(16))
        assert len({sample.sample_id for sample in found}) == 16
        assert datasets.get(session, "faces").size == 16


@pytest.mark.parametrize("kind", ["dataset", "model", "request"])
def test_a_name_is_given_once(sessions: Sessions, background: Background, kind: str) -> None:
    with transaction(sessions) as session:
        make_dataset(session, "shared")

    def take(session: Session) -> Any:
        match kind:
            case "dataset":
                return make_dataset(session, "mine")
            case "model":
                return make_model(session, datasets.get(session, "shared"), "mine")
            case _:
                return make_request(session, "ada", external_id="mine")

    with transaction(sessions) as session:
        take(session)
        other = background(take)
        assert waits(other)

    with pytest.raises(NameTaken):
        other.result(SOON)


def test_only_one_of_two_approvals_counts(sessions: Sessions, background: Background) -> None:
    def approve(session: Session) -> None:
        endings.approve(session, jobs.get(session, job_id), now=NOW)

    with transaction(sessions) as session:
        job = make_job(session)
        job_id, job.decision = job.id, {"route": "retrain"}
        for state in (JobState.ASSESSING, JobState.AWAITING_APPROVAL):
            move(session, job, state, now=NOW)

    with transaction(sessions) as session:
        approve(session)
        other = background(approve)
        assert waits(other)

    with pytest.raises(IllegalTransition):
        other.result(SOON)


def test_only_one_of_two_workers_has_a_job(sessions: Sessions, background: Background) -> None:
    with transaction(sessions) as session:
        job = make_training(session)

    with transaction(sessions) as session:
        mine = claim(session, job, worker="a")
        theirs = background(lambda s: claim(s, job, worker="b")).result(SOON)  # does not wait

    assert mine is not None
    assert theirs is None
    with transaction(sessions) as session:
        assert claim(session, job, worker="c") is None
        assert session.get_one(Job, job.id).worker == "a"


def test_a_first_training_is_queued_once(sessions: Sessions, background: Background) -> None:
    def train(session: Session) -> Job:
        return first_training.queue(session, model_lines.get(session, "faces"), now=NOW)

    with transaction(sessions) as session:
        make_model(session)

    with transaction(sessions) as session:
        mine = train(session)
        other = background(train)
        assert waits(other)

    with pytest.raises(Conflict, match=str(mine.id)):
        other.result(SOON)


def test_weights_of_one_digest_are_stored_or_removed_by_one_at_a_time(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        stored_weights.lock_digest(session, digest_of("mine"))
        other = background(lambda s: stored_weights.lock_digest(s, digest_of("mine")))
        background(lambda s: stored_weights.lock_digest(s, digest_of("yours"))).result(SOON)
        assert waits(other)

    other.result(SOON)


def test_who_makes_the_bytes_that_are_just_being_removed_waits_and_owns_them_then(
    sessions: Sessions, background: Background
) -> None:
    with transaction(sessions) as session:
        job = make_job(session)
        stored_weights.own(session, job, digest_of("mine"), made_by="hamu", now=NOW)
        stored_weights.release(session, job, now=NOW)
    with transaction(sessions) as session:
        ((row_id, digest),) = stored_weights.released(session)
        stored_weights.lock_digest(session, digest)
        row = stored_weights.lock_released(session, row_id)
        assert row is not None
        again = background(
            lambda s: stored_weights.own(s, jobs.get(s, job.id), digest, made_by="hamu", now=NOW)
        )
        assert waits(again)
        stored_weights.removed(session, row, kept=False, now=NOW)

    again.result(SOON)
    with transaction(sessions) as session:
        assert stored_weights.in_use(session, digest)


def test_an_upload_waits_for_a_batch_and_is_refused(
    sessions: Sessions, background: Background
) -> None:
    def upload(session: Session) -> None:
        publishing.publish_uploaded(
            session,
            model_lines.get(session, "faces"),
            training_set=Bitmap([4, 5]),
            weights_digest="w",
            manifest={},
            now=NOW,
        )

    with transaction(sessions) as session:
        model_id = make_version(session).model_id
        make_request(session, "ada")

    with transaction(sessions) as session:
        batching.batch(session, model_id, now=NOW, flush=True)
        other = background(upload)
        assert waits(other)

    with pytest.raises(Conflict):
        other.result(SOON)
