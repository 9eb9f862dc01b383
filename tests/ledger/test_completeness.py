"""A request is completed only if nothing holds its samples any more; else it is a bug."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import (
    batching,
    intake,
    jobs,
    lineage,
    references,
    requests,
    stored_weights,
    training_logs,
    versions,
    withdrawing,
)
from app.ledger.canaries import Coin, deal
from app.ledger.derived_tables import DerivedVersion
from app.ledger.lineage import Incomplete
from app.ledger.reference_tables import ReferenceScores
from app.ledger.states import JobState, RequestState
from app.ledger.tables import Dataset, DeletionRequest, Job, Model, ModelVersion
from tests.factories import (
    DAY,
    NOW,
    digest_of,
    key_of,
    make_child,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
    run_through,
)
from tests.ledger.signing import tamper

ADA = Bitmap([0, 1])
BUG = "this is a bug in Lacuna"
Spoil = Callable[[Session, Job], None]


@pytest.fixture
def job(session: Session) -> Job:
    """A job that carries out Ada's request; references of the parent's generation are there."""
    parent = make_version(session)
    score(session, parent)
    make_request(session, "ada")
    job = batching.batch(session, parent.model_id, now=NOW, flush=True)
    assert job is not None
    return job


def score(session: Session, version: ModelVersion, number: int = 0) -> None:
    references.add(
        session,
        version,
        number,
        left_out=Bitmap([0, 4]),
        losses=dict.fromkeys(version.training_set, 0.5),
        unseen=[0.5],
        weights_digest="",
        now=NOW,
    )
    session.flush()


def state(session: Session) -> RequestState:
    return session.scalars(select(DeletionRequest.state)).one()


def keep_in_training_set(session: Session, job: Job) -> None:
    """A bug in batching: the successor is trained on what it is to forget."""
    job.training_set |= job.forget_set


def bring_back_by_another_model(session: Session, job: Job) -> None:
    """A bug in registration: a model that owed nothing has got a version with the samples."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    make_version(session, make_model(session, dataset, "other"))


def queue_with_them(session: Session, job: Job) -> None:
    """A bug in another model's batching."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    parent = make_version(
        session, make_model(session, dataset, "other"), training_set=Bitmap([6, 7])
    )
    make_job(session, parent=parent, forget=Bitmap([6])).training_set = Bitmap([0])


def keep_weights_of_an_ended_job(session: Session, job: Job) -> None:
    """A bug in how jobs end: what one has stored is not released."""
    dataset = session.get_one(Dataset, session.get_one(Model, job.model_id).dataset_id)
    training = make_training(session, make_model(session, dataset, "other"))
    jobs.finish(session, training, JobState.FAILED, now=NOW)
    stored_weights.own(session, training, digest_of("left"), made_by="trained", now=NOW)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (keep_weights_of_an_ended_job, "of 'other' stored and did not publish saw its samples"),
        (keep_in_training_set, "the alias 'live' of 'faces' leads to version 2, which saw its"),
        (bring_back_by_another_model, "version 1 of 'other' is in use and saw 2"),
        (queue_with_them, "makes a version of 'other' that keeps its samples"),
    ],
)
def test_what_still_holds_the_samples_keeps_a_request_from_being_completed(
    session: Session, job: Job, spoil: Spoil, told: str
) -> None:
    spoil(session, job)
    session.flush()

    with pytest.raises(Incomplete, match=BUG) as refusal, session.begin_nested():
        run_through(session, job)

    assert told in str(refusal.value)
    session.expire_all()
    assert state(session) is RequestState.IN_PROGRESS
    assert len(versions.listed(session, session.get_one(Model, job.model_id))) == 1


def test_the_rows_of_references_are_gone_before_a_request_is_completed(
    session: Session, job: Job
) -> None:
    run_through(session, job)

    assert state(session) is RequestState.COMPLETED
    assert job.state is JobState.SUCCEEDED


def test_references_of_a_generation_that_has_ended_are_dropped_by_the_next_look(
    session: Session, job: Job
) -> None:
    """One was being trained while the generation ended, and was written down after that."""
    (old,) = versions.listed(session, session.get_one(Model, job.model_id))
    new = run_through(session, job)  # a retrain: it ends the generation
    score(session, old, 1)
    score(session, new)

    dropped = references.drop_ended(session)

    assert dropped == 1
    assert session.scalars(select(ReferenceScores.version_id)).all() == [new.id]


def test_clearing_an_erasure_takes_its_rows_out_of_references(session: Session) -> None:
    line = make_model(session)
    old = make_version(session, line)
    request = make_request(session, "ada")
    live = make_version(session, line, training_set=Bitmap(range(2, 10)))
    live.parent_id, live.made_by = old.id, "hamu"
    score(session, old)

    batching.batch(session, line.id, now=NOW)

    assert request.state is RequestState.COMPLETED
    assert references.telling(session, line.id, Bitmap([0, 1])) == {}
    assert references.telling(session, line.id, Bitmap([4])) == {old.id: 1}


@pytest.fixture
def left_behind(session: Session) -> ModelVersion:
    """A version that saw everybody and is withdrawn, though Ada has not asked; the next did not.

    So no version in use saw her, as with a canary that was forgotten along with others.
    """
    line = make_model(session)
    training = make_training(session, line)
    training_logs.keep(session, training, [0.5] * 10)
    old = make_version(session, line)
    old.job_id = training.id
    jobs.finish(session, training, JobState.FAILED, now=NOW)
    live = make_version(session, line, training_set=Bitmap(range(2, 10)))
    live.parent_id, live.made_by = old.id, "hamu"
    withdrawing.withdraw_those_that_saw(session, line, ADA, live, now=NOW)
    score(session, old)
    return old


def ask_alone(session: Session) -> RequestState:
    return make_request(session, "ada").state


def ask_in_bulk(session: Session) -> RequestState:
    samples = intake.samples_of_subjects(session, [key_of("ada")])[key_of("ada")]
    told = requests.Submission(
        samples=samples, subject_key=key_of("ada"), received_at=NOW, due_at=NOW + 30 * DAY
    )
    (request,), _ = intake.submit_all(session, [told], now=NOW)
    return request.state


EITHER_WAY = pytest.mark.parametrize("ask", [ask_alone, ask_in_bulk])
Ask = Callable[[Session], RequestState]


@EITHER_WAY
def test_rows_about_whom_no_version_in_use_saw_go_with_their_request(
    session: Session, left_behind: ModelVersion, ask: Ask
) -> None:
    line = session.get_one(Model, left_behind.model_id)
    before, _ = lineage.trace(session, line, ADA).seen

    ended = ask(session)

    assert (before.references, before.logged) == (1, True)
    assert ended is RequestState.COMPLETED_NO_DATA
    assert references.telling(session, left_behind.model_id, ADA) == {}
    assert training_logs.telling(session, left_behind.model_id, ADA) == set()
    assert references.telling(session, left_behind.model_id, Bitmap([4])) == {left_behind.id: 1}


def use_it_again(session: Session, old: ModelVersion) -> None:
    """A database that was put back in part: no version in use saw her when she asked."""
    tamper(session, "UPDATE aliases SET version_id = :v", v=old.id)


def keep_a_child_in_use(session: Session, old: ModelVersion) -> None:
    make_child(session, old)
    tamper(session, "UPDATE derived_versions SET state = 'in_use'")
    session.expire_all()
    assert session.scalars(select(DerivedVersion.state)).one() == "in_use"


def keep_its_weights(session: Session, old: ModelVersion) -> None:
    job = session.scalars(select(Job)).one()
    stored_weights.own(session, job, digest_of("left"), made_by="trained", now=NOW)


def train_on_her(session: Session, old: ModelVersion) -> None:
    live = versions.live(session, old.model_id)
    assert live is not None
    make_job(session, parent=live, forget=Bitmap([6])).training_set = ADA


@EITHER_WAY
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (use_it_again, "the alias 'live' of 'faces' leads to version 1, which saw its samples"),
        (keep_a_child_in_use, "'acme-ft', derived from version 1 of 'faces', which saw its"),
        (keep_its_weights, "of 'faces' stored and did not publish saw its samples"),
        (train_on_her, "makes a version of 'faces' that keeps its samples"),
    ],
)
def test_a_request_that_no_version_in_use_saw_is_not_completed_past_what_is_left(
    session: Session,
    left_behind: ModelVersion,
    spoil: Callable[[Session, ModelVersion], None],
    told: str,
    ask: Ask,
) -> None:
    spoil(session, left_behind)
    session.flush()

    with pytest.raises(Incomplete, match=BUG) as refusal, session.begin_nested():
        ask(session)

    assert told in str(refusal.value)
    session.expire_all()
    assert session.scalars(select(DeletionRequest)).all() == []


def test_canaries_are_looked_for_at_the_end_too(
    session: Session, left_behind: ModelVersion
) -> None:
    line = session.get_one(Model, left_behind.model_id)
    training = session.scalars(select(Job)).one()

    deal(session, line, training, [Coin(ADA, included=True)], now=NOW)

    told = "canaries of 'faces' still have its samples"
    assert told in lineage.remnants(session, {line.dataset_id: ADA})


def test_what_was_made_to_forget_may_stay_and_so_may_its_children(
    session: Session, left_behind: ModelVersion
) -> None:
    live = versions.live(session, left_behind.model_id)
    assert live is not None
    make_child(session, live)

    assert ask_alone(session) is RequestState.COMPLETED_NO_DATA
