"""Each way in which a forgotten sample could come back, and what keeps it out or tells of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import ForgottenSamples, IllegalTransition, SubjectDiffers
from app.ledger import (
    batching,
    datasets,
    first_training,
    imports,
    jobs,
    latecomers,
    publishing,
    references,
    restoring,
    retention,
    stored_weights,
    training_logs,
    versions,
)
from app.ledger.states import ErasureState, JobState, RequestState, VersionState
from app.ledger.stored_tables import StoredWeights
from app.ledger.tables import Dataset, DeletionRequest, Model, ModelVersion
from app.ledger.transitions import move
from tests.factories import (
    DAY,
    NOW,
    digest_of,
    grow,
    key_of,
    make_child,
    make_dataset,
    make_model,
    make_request,
    make_training,
    make_version,
    ordinals,
    run_through,
)
from tests.ledger.signing import tamper

ADA = Bitmap([0, 1])
GRACE = 7 * DAY


@pytest.fixture
def line(session: Session) -> Model:
    """A model that has forgotten Ada: version 2 is live, version 1 is withdrawn."""
    line = make_model(session)
    make_version(session, line, weights="old")
    make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job, weights="new")
    return line


def found(session: Session, *stored: str, now: datetime = NOW, all_there: bool = True) -> list[str]:
    """What the check finds; the store has the weights that are in use, and these."""
    there = set(stored)
    for version in session.scalars(select(ModelVersion)):
        if all_there and version.state == "published":
            there.add(version.weights_digest)
    return restoring.came_back(session, stored=there.__contains__, now=now)


def dataset_of(session: Session, line: Model) -> Dataset:
    return session.get_one(Dataset, line.dataset_id)


def test_where_nothing_has_come_back_nothing_is_found(session: Session, line: Model) -> None:
    make_request(session, "ben")  # and is still owed

    assert found(session) == []


def test_a_model_registered_later_is_trained_without_them(session: Session, line: Model) -> None:
    other = make_model(session, dataset_of(session, line), "other")

    job = first_training.queue(session, other, now=NOW)

    assert not job.training_set & ADA


def test_a_training_that_began_before_the_request_is_repeated_without_them(
    session: Session,
) -> None:
    job = make_training(session)
    for state in (JobState.TRAINING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)

    make_request(session, "ada", now=NOW + DAY)

    assert job.state is JobState.TRAINING
    assert not job.training_set & ADA
    assert found(session) == []


def test_an_upload_that_saw_them_is_refused(session: Session, line: Model) -> None:
    with pytest.raises(ForgottenSamples, match="2 samples of this training set were forgotten"):
        publishing.publish_uploaded(
            session,
            line,
            training_set=Bitmap(range(10)),
            weights_digest="",
            manifest={},
            now=NOW,
        )


def test_a_retrain_under_way_when_others_ask_is_followed_by_one_without_them(
    session: Session, line: Model
) -> None:
    make_request(session, "ben")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    meanwhile = make_request(session, "eve")

    between = run_through(session, job)

    states = [meanwhile.state, *(erasure.state for erasure in meanwhile.erasures)]
    assert states == [RequestState.ACCEPTED, ErasureState.PENDING]
    assert found(session) == []  # an open erasure covers what the version between saw
    following = batching.batch(session, line.id, now=NOW, flush=True)
    assert following is not None
    last = run_through(session, following)
    assert between.training_set & ordinals(session, dataset_of(session, line), "eve")
    assert last.training_set == ordinals(session, dataset_of(session, line), "kim", "zoe")
    assert meanwhile.state is RequestState.COMPLETED


def test_importing_the_same_samples_again_changes_nothing(session: Session, line: Model) -> None:
    dataset = dataset_of(session, line)

    grow(session, dataset, "ada")

    assert datasets.tombstones(session, dataset.id) == ADA
    assert dataset.size == 10


def test_importing_them_under_another_name_is_refused(session: Session, line: Model) -> None:
    row = imports.Row(line=1, sample_id="ada-0", subject_key=key_of("ben"))

    with pytest.raises(SubjectDiffers):
        imports.import_samples(session, dataset_of(session, line), [row], now=NOW)


def test_importing_them_after_who_asked_was_shredded_is_no_way_around(
    session: Session, line: Model
) -> None:
    (request_id,) = session.scalars(select(DeletionRequest.id))
    retention.shred(session, request_id, now=NOW + 800 * DAY)

    grow(session, dataset_of(session, line), "ada")

    assert datasets.tombstones(session, line.dataset_id) == ADA
    assert found(session) == []


def lose_tombstones(session: Session, line: Model) -> None:
    tamper(session, "DELETE FROM tombstones")


def lose_tombstones_of_shredded(session: Session, line: Model) -> None:
    for request_id in session.scalars(select(DeletionRequest.id)).all():
        retention.shred(session, request_id, now=NOW + 800 * DAY)
    # The database refuses a mark without its tombstone: these are older rows, with their names.
    tamper(
        session,
        "UPDATE samples SET mark = NULL, sample_id = coalesce(sample_id, 'ada-' || ordinal)",
    )
    lose_tombstones(session, line)


def publish_the_old_version_again(session: Session, line: Model) -> None:
    tamper(session, "UPDATE model_versions SET state = 'published' WHERE number = 1")


def upload_from_elsewhere(session: Session, line: Model) -> None:
    make_version(session, line)


def queue_a_training(session: Session, line: Model) -> None:
    other = make_model(session, dataset_of(session, line), "other")
    make_training(session, other).created_at = NOW + DAY


def queue_an_unlearning(session: Session, line: Model) -> None:
    make_request(session, "ben")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    job.training_set |= ADA


def lead_an_alias_back(session: Session, line: Model) -> None:
    old = versions.get(session, line, 1)
    tamper(session, "UPDATE aliases SET version_id = :v", v=old.id)


def keep_what_references_said(session: Session, line: Model) -> None:
    old = versions.get(session, line, 1)
    references.add(
        session,
        old,
        0,
        left_out=Bitmap(),
        losses=dict.fromkeys(old.training_set, 0.5),
        unseen=[],
        weights_digest="",
        now=NOW,
    )


def keep_what_a_training_noted(session: Session, line: Model) -> None:
    old = versions.get(session, line, 1)
    training = make_training(session, make_model(session, dataset_of(session, line), "other"))
    training.model_id, training.training_set = line.id, old.training_set
    training_logs.keep(session, training, [0.5] * len(old.training_set))
    jobs.finish(session, training, JobState.FAILED, now=NOW)
    tamper(session, "UPDATE model_versions SET job_id = :j WHERE number = 1", j=training.id)


def keep_a_child_in_use(session: Session, line: Model) -> None:
    make_child(session, versions.get(session, line, 1))
    tamper(session, "UPDATE derived_versions SET state = 'in_use'")


def keep_weights_of_an_ended_job(session: Session, line: Model) -> None:
    training = make_training(session, make_model(session, dataset_of(session, line), "other"))
    jobs.finish(session, training, JobState.FAILED, now=NOW)
    stored_weights.own(session, training, digest_of("left"), made_by="trained", now=NOW)


NO_TOMBSTONE = "2 samples of the dataset 'faces' were forgotten and have no tombstone"
IN_USE = "of 'faces' is in use and saw 2 forgotten samples, which no open erasure covers"


@pytest.mark.parametrize(
    ("happen", "told"),
    [
        (lose_tombstones, NO_TOMBSTONE),
        (lose_tombstones_of_shredded, NO_TOMBSTONE),
        (publish_the_old_version_again, f"version 1 {IN_USE}"),
        (upload_from_elsewhere, f"version 3 {IN_USE}"),
        (queue_a_training, "of 'other' makes a version that would see 2 forgotten samples"),
        (queue_an_unlearning, "of 'faces' makes a version that would see 2 forgotten samples"),
        (lead_an_alias_back, "the alias 'live' of 'faces' leads to version 1, which is withdrawn"),
        (keep_what_references_said, "references of 'faces' that tell of forgotten samples: 1"),
        (keep_what_a_training_noted, "logs of trainings of 'faces' that tell of forgotten samples"),
        (keep_a_child_in_use, "'acme-ft', derived from version 1 of 'faces', which saw them, is"),
        (keep_weights_of_an_ended_job, "of 'other' stored and did not publish saw forgotten"),
    ],
)
def test_what_a_restored_database_brings_back_is_told(
    session: Session, line: Model, happen: Callable[[Session, Model], None], told: str
) -> None:
    happen(session, line)
    session.flush()

    (finding,) = found(session)

    assert told in finding


def test_weights_of_a_withdrawn_version_are_told_when_their_time_is_over(
    session: Session, line: Model
) -> None:
    old = versions.get(session, line, 1)
    early = NOW + GRACE - timedelta(seconds=1)

    within = found(session, old.weights_digest, now=early)
    after = found(session, old.weights_digest, now=NOW + GRACE)

    assert within == []
    assert after == [
        f"the weights {old.weights_digest[:12]}… of version 1 of 'faces' lie in the store, and "
        "their time is over"
    ]


def test_purged_weights_that_lie_in_the_store_again_are_told_unless_another_version_has_them(
    session: Session, line: Model
) -> None:
    old = versions.get(session, line, 1)
    versions.purge(session, old, now=NOW)
    assert len(found(session, old.weights_digest)) == 1

    make_version(session, line, training_set=Bitmap([8]), weights="old")

    assert found(session, old.weights_digest) == []


def test_weights_of_a_job_that_were_removed_and_lie_in_the_store_again_are_told(
    session: Session, line: Model
) -> None:
    """As a backup of the store brings them: no version or row tells of them any more."""
    keep_weights_of_an_ended_job(session, line)
    (row,) = session.scalars(select(StoredWeights))
    stored_weights.removed(session, row, kept=False, now=NOW)
    session.flush()

    gone, back = found(session), found(session, digest_of("left"))

    assert gone == []
    (told,) = back
    assert told.startswith(f"the weights {digest_of('left')[:12]}… that a job had stored")


def test_an_alias_is_not_moved_back_to_a_version_that_saw_them(
    session: Session, line: Model
) -> None:
    """A rollback: the database refuses it, whoever asks."""
    old = versions.get(session, line, 1)

    refused = pytest.raises(DBAPIError, match="must point at a published version")
    with refused, session.begin_nested():
        versions.point(session, line, "live", old, now=NOW)

    live = versions.live(session, line.id)
    assert live is not None
    assert live.number == 2


def test_a_withdrawn_version_is_never_published_again(session: Session, line: Model) -> None:
    with pytest.raises(IllegalTransition, match="is withdrawn, it cannot become published"):
        move(session, versions.get(session, line, 1), VersionState.PUBLISHED, now=NOW)


def test_a_retrain_leaves_out_who_asked_before_it_began(session: Session, line: Model) -> None:
    make_request(session, "ben")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    for state in (JobState.ASSESSING, JobState.UNLEARNING):
        move(session, job, state, now=NOW)
    job.decision = {"route": "retrain"}
    session.refresh(job, ["model"])
    make_request(session, "eve")

    latecomers.leave_out(session, job)

    assert latecomers.about_to_retrain(job)
    assert job.training_set == ordinals(session, dataset_of(session, line), "kim", "zoe")


def test_weights_in_use_that_the_store_lacks_are_told(session: Session, line: Model) -> None:
    (finding,) = found(session, all_there=False)

    assert finding.endswith("of version 2 of 'faces' are in use, and the store does not have them")


def test_a_sample_of_another_dataset_is_not_meant(session: Session, line: Model) -> None:
    voices = make_dataset(session, "voices", people=["mia", "noa"])
    make_version(session, make_model(session, voices, "speech"))

    assert found(session) == []
