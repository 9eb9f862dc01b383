"""The transaction in which weights become a version, and what happens to the old ones."""

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Conflict, ForgottenSamples
from app.ledger import batching, datasets, jobs, publishing, stored_weights, versions
from app.ledger.jobs import LeaseLost
from app.ledger.states import ErasureState, JobState, RequestState, VersionState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import move
from tests.factories import (
    DAY,
    NOW,
    claim,
    digest_of,
    make_erasure,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
    run_through,
)


def batched(session: Session, line: Model) -> Job:
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return job


def publish_trained(session: Session, job: Job) -> ModelVersion | None:
    for state in (JobState.TRAINING, JobState.PUBLISHING):
        if job.state is not state:
            move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    return publishing.publish_trained(
        session, job, weights_digest=digest_of("w"), manifest={"seed": 1}, now=NOW
    )


def test_a_published_job_completes_its_requests_and_withdraws_the_parent(session: Session) -> None:
    line = make_model(session)
    parent = make_version(session, line)
    versions.point(session, line, "stable", parent, now=NOW)
    erasure = make_erasure(session, "ada")
    job = batched(session, line)

    version = run_through(session, job)

    assert (version.number, version.parent_id, version.job_id) == (2, parent.id, job.id)
    assert version.training_set == Bitmap(range(2, 10))
    assert version.training_set_digest == version.training_set.digest
    assert (erasure.state, erasure.version_id) == (ErasureState.FORGOTTEN, version.id)
    assert (erasure.request.state, erasure.request.finished_at) == (RequestState.COMPLETED, NOW)
    assert (parent.state, parent.withdrawn_at) == (VersionState.WITHDRAWN, NOW)
    assert parent.successor_id == version.id
    assert versions.aliases_of(session, version) == ["live", "stable"]
    assert versions.aliases_of(session, parent) == []
    assert (job.state, job.finished_at, job.lease_until) == (JobState.SUCCEEDED, NOW, None)


def test_all_older_versions_that_saw_the_samples_are_withdrawn(session: Session) -> None:
    line = make_model(session)
    oldest, old = make_version(session, line), make_version(session, line)
    innocent = make_version(session, line, training_set=Bitmap([8, 9]))
    versions.point(session, line, "fallback", oldest, now=NOW)
    versions.point(session, line, "small", innocent, now=NOW)
    parent = make_version(session, line)
    make_erasure(session, "ada")

    version = run_through(session, batched(session, line))

    for withdrawn in (oldest, old, parent):
        assert (withdrawn.state, withdrawn.successor_id) == (VersionState.WITHDRAWN, version.id)
    assert innocent.state is VersionState.PUBLISHED
    assert versions.aliases_of(session, version) == ["fallback", "live"]
    assert versions.aliases_of(session, innocent) == ["small"]


def test_a_first_training_becomes_the_first_version(session: Session) -> None:
    line = make_model(session)
    job = make_training(session, line)

    version = publish_trained(session, job)

    assert version is not None
    assert (version.number, version.made_by, version.parent_id) == (1, "trained", None)
    assert versions.live(session, line.id) is version
    assert job.state is JobState.SUCCEEDED


def test_a_training_under_way_begins_anew_when_one_of_its_people_asks(session: Session) -> None:
    job = make_training(session)
    for state in (JobState.TRAINING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    claim(session, job)
    stored_weights.own(session, job, digest_of("w"), made_by="trained", now=NOW)

    request = make_request(session, "ada")

    assert request.state is RequestState.COMPLETED_NO_DATA
    with pytest.raises(LeaseLost):
        jobs.held(session, job.id, fence=1)
    assert (job.state, job.lease_until, job.attempt) == (JobState.TRAINING, None, 0)
    assert len(stored_weights.released(session)) == 1
    assert claim(session, job) is not None
    again = publish_trained(session, job)
    assert again is not None
    assert again.training_set == Bitmap(range(2, 10))


def test_a_training_goes_on_when_somebody_asks_of_whom_it_has_nothing(session: Session) -> None:
    job = make_training(session)
    job.training_set = Bitmap(range(2, 10))
    claim(session, job)

    make_request(session, "ada")

    assert jobs.held(session, job.id, fence=1).training_set == Bitmap(range(2, 10))


def test_what_was_buried_unseen_is_found_when_a_training_is_published(session: Session) -> None:
    line = make_model(session)
    job = make_training(session, line)
    claim(session, job)
    datasets.bury(session, line.dataset_id, Bitmap([0, 1]), now=NOW)

    version = publish_trained(session, job)

    assert version is None
    assert (job.state, job.lease_until, job.attempt) == (JobState.TRAINING, None, 0)
    assert job.training_set == Bitmap(range(2, 10))


def test_requests_without_end_do_not_use_up_a_trainings_attempts(session: Session) -> None:
    job = make_training(session)

    for person in ("ada", "ben", "eve"):
        assert claim(session, job) is not None
        make_request(session, person)

    assert job.attempt == 0
    assert job.fence == 6


def test_a_training_of_which_everything_was_forgotten_fails(session: Session) -> None:
    line = make_model(session)
    job = make_training(session, line)
    claim(session, job)

    make_request(session, "ada", "ben", "eve", "kim", "zoe")

    assert (job.state, job.lease_until) == (JobState.FAILED, None)
    assert job.error is not None
    assert job.error["code"] == "nothing_left"
    assert versions.listed(session, line) == []


def test_an_upload_becomes_the_live_version(session: Session) -> None:
    line = make_model(session)
    first = make_version(session, line)

    second = upload(session, line, Bitmap([1, 2]))

    assert (second.number, second.made_by) == (2, "uploaded")
    assert versions.live(session, line.id) is second
    assert first.state is VersionState.PUBLISHED


def upload(session: Session, line: Model, training_set: Bitmap) -> ModelVersion:
    return publishing.publish_uploaded(
        session, line, training_set=training_set, weights_digest="w", manifest={}, now=NOW
    )


def test_an_upload_that_saw_a_forgotten_sample_is_refused(session: Session) -> None:
    line = make_model(session)
    make_request(session, "ada")

    with pytest.raises(ForgottenSamples, match="1 samples"):
        upload(session, line, Bitmap([1, 2]))

    assert versions.listed(session, line) == []


def test_an_upload_is_refused_while_a_job_is_active(session: Session) -> None:
    parent = make_version(session)
    job = make_job(session, parent=parent)
    session.refresh(job, ["model"])

    with pytest.raises(Conflict, match="is active"):
        upload(session, job.model, Bitmap([1, 2]))


def test_withdrawn_weights_are_kept_for_the_time_of_grace(session: Session) -> None:
    line = make_model(session, purge_after_seconds=7 * DAY.total_seconds())
    parent = make_version(session, line)
    make_erasure(session, "ada")
    run_through(session, batched(session, line))

    assert versions.to_purge(session, now=NOW + 6.9 * DAY) == []
    assert versions.to_purge(session, now=NOW + 7 * DAY) == [parent.id]
    versions.purge(session, parent, now=NOW + 7 * DAY)
    assert versions.to_purge(session, now=NOW + 8 * DAY) == []


def test_weights_that_another_version_has_too_are_in_use_until_that_is_purged(
    session: Session,
) -> None:
    line = make_model(session, purge_after_seconds=0.0)
    parent = make_version(session, line, weights="same")
    make_erasure(session, "ada")
    version = run_through(session, batched(session, line), weights="same")

    digest = version.weights_digest

    assert stored_weights.in_use(session, digest, besides=parent)
    versions.purge(session, parent, now=NOW)
    assert not stored_weights.in_use(session, digest, besides=version)
    assert stored_weights.in_use(session, digest)
    assert not stored_weights.in_use(session, digest_of("other"))


def test_rounds_are_counted_from_the_last_training(session: Session) -> None:
    line = make_model(session)
    first = publish_trained(session, make_training(session, line))
    assert first is not None
    seen = [versions.last_exact(session, first)]

    for person, route in (("ada", "hamu"), ("ben", "hamu"), ("eve", "retrain")):
        make_erasure(session, person)
        version = run_through(session, batched(session, line))
        version.made_by = route
        seen.append(versions.last_exact(session, version))

    assert seen == [(first, 0), (first, 1), (first, 2), (version, 0)]
