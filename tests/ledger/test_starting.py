"""Jobs that start from the last exact version, and what their successors descend from."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.ledger import batching, dry_runs, publishing, versions
from app.ledger.states import JobState
from app.ledger.tables import Dataset, Job, Model, ModelVersion
from app.ledger.transitions import move
from tests.factories import (
    NOW,
    digest_of,
    make_dataset,
    make_erasure,
    make_model,
    make_version,
    ordinals,
)


@pytest.fixture
def dataset(session: Session) -> Dataset:
    return make_dataset(session)


def make_line(session: Session, dataset: Dataset, **policy: Any) -> Model:
    """A model with an exact first version, whose jobs are batched at once."""
    line = make_model(session, dataset, max_wait_seconds=0.0, **policy)
    make_version(session, line)
    return line


def batched(session: Session, line: Model, person: str) -> Job:
    make_erasure(session, person)
    job = batching.batch(session, line.id, now=NOW)
    assert job is not None
    return job


def unlearned(session: Session, line: Model, person: str) -> ModelVersion:
    """The version without a person, made by an approximate job."""
    return run(session, batched(session, line, person))


def run(session: Session, job: Job) -> ModelVersion:
    job.decision = {"route": "hamu"}
    for state in (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    return publishing.publish_unlearned(
        session, job, route="hamu", weights_digest=digest_of(""), manifest={}, now=NOW
    )


def first_of(session: Session, line: Model) -> ModelVersion:
    return versions.get(session, line, 1)


def test_a_job_starts_from_the_version_in_use_unless_the_policy_says_otherwise(
    session: Session, dataset: Dataset
) -> None:
    line = make_line(session, dataset)
    second = unlearned(session, line, "ada")

    job = batched(session, line, "ben")

    assert job.parent_version_id == second.id
    assert job.forget_set == ordinals(session, dataset, "ben")


def test_a_job_that_restarts_forgets_from_the_exact_version_all_that_was_forgotten_since(
    session: Session, dataset: Dataset
) -> None:
    line = make_line(session, dataset, restart="exact")
    unlearned(session, line, "ada")

    job = batched(session, line, "ben")
    version = run(session, job)

    exact = first_of(session, line)
    gone = ordinals(session, dataset, "ada", "ben")
    assert (job.parent_version_id, job.forget_set) == (exact.id, gone)
    assert version.training_set == exact.training_set - gone
    assert (version.number, version.parent_id) == (3, exact.id)
    # One approximation lies between it and a training, however many jobs there were.
    assert versions.last_exact(session, version) == (exact, 1)
    assert versions.live(session, line.id) == version


def test_a_job_cannot_restart_from_weights_that_are_purged(
    session: Session, dataset: Dataset
) -> None:
    line = make_line(session, dataset, restart="exact")
    second = unlearned(session, line, "ada")
    versions.purge(session, first_of(session, line), now=NOW)

    job = batched(session, line, "ben")

    assert job.parent_version_id == second.id
    assert job.forget_set == ordinals(session, dataset, "ben")


def test_weights_that_a_job_starts_from_are_not_purged_under_it(
    session: Session, dataset: Dataset
) -> None:
    line = make_line(session, dataset, restart="exact", purge_after_seconds=0.0)
    second = unlearned(session, line, "ada")
    later = NOW + timedelta(seconds=1)
    before = versions.to_purge(session, now=later)

    job = batched(session, line, "ben")
    during = versions.to_purge(session, now=later)
    locked = versions.lock_withdrawn(session, before[0])  # by a sweep that looked before the job
    run(session, job)

    exact = first_of(session, line)
    assert (before, during, locked) == ([exact.id], [], None)
    assert set(versions.to_purge(session, now=later)) == {exact.id, second.id}


def test_a_dry_run_measures_the_job_that_would_be_made(session: Session, dataset: Dataset) -> None:
    line = make_line(session, dataset, restart="exact")
    unlearned(session, line, "ada")

    job = dry_runs.queue(session, line, ordinals(session, dataset, "ben"), now=NOW)

    assert job.parent_version_id == first_of(session, line).id
    assert job.forget_set == ordinals(session, dataset, "ada", "ben")
    assert not job.training_set & job.forget_set


def test_the_first_job_of_a_generation_starts_from_it_either_way(
    session: Session, dataset: Dataset
) -> None:
    line = make_line(session, dataset, restart="exact")

    job = batched(session, line, "ada")

    assert job.parent_version_id == first_of(session, line).id
    assert job.forget_set == ordinals(session, dataset, "ada")
