"""Erasures that need no job, and older versions that saw what is forgotten."""

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import CoversEverything
from app.ledger import batching
from app.ledger.states import ErasureState, RequestState, VersionState
from tests.factories import NOW, make_erasure, make_model, make_request, make_version, run_through


def test_what_an_earlier_job_forgot_is_cleared_without_a_job(session: Session) -> None:
    line_id = make_version(session).model_id
    make_erasure(session, "ada", "ben")
    first = batching.batch(session, line_id, now=NOW, flush=True)
    again = make_request(session, "ben")
    assert first is not None
    run_through(session, first)

    second = batching.batch(session, line_id, now=NOW)

    assert second is None
    assert again.erasures[0].state is ErasureState.CLEARED
    assert (again.state, again.finished_at) == (RequestState.COMPLETED, NOW)


def test_an_older_version_that_saw_cleared_samples_is_withdrawn(session: Session) -> None:
    line = make_model(session)
    everyone, without_ada = Bitmap(range(10)), Bitmap(range(2, 10))
    old = make_version(session, line, training_set=everyone)
    live = make_version(session, line, training_set=without_ada)
    request = make_request(session, "ada")

    batching.batch(session, line.id, now=NOW)

    assert request.state is RequestState.COMPLETED
    assert (old.state, old.successor_id) == (VersionState.WITHDRAWN, live.id)
    assert live.state is VersionState.PUBLISHED


def test_who_is_all_that_a_model_knows_is_forgotten_once_another_version_is_live(
    session: Session,
) -> None:
    line = make_model(session)
    old = make_version(session, line, training_set=Bitmap(range(2)))
    with pytest.raises(CoversEverything, match="Upload a version"):
        make_request(session, "ada")
    make_version(session, line, training_set=Bitmap(range(2, 10)))

    request = make_request(session, "ada")
    batching.batch(session, line.id, now=NOW)

    assert (request.state, old.state) == (RequestState.COMPLETED, VersionState.WITHDRAWN)


def test_what_only_an_older_version_saw_is_withdrawn_with_the_rest(session: Session) -> None:
    line = make_model(session)
    only_ada = make_version(session, line, training_set=Bitmap([0, 1, 4]))
    without_ada = make_version(session, line, training_set=Bitmap(range(2, 10)))
    unconcerned = make_version(session, line, training_set=Bitmap([8, 9]))
    live = make_version(session, line, training_set=Bitmap(range(2, 10)))
    make_request(session, "ada", "ben")

    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)

    assert job.forget_set == Bitmap([2, 3])
    withdrawn = [only_ada, without_ada, live]
    assert [version.state for version in withdrawn] == [VersionState.WITHDRAWN] * 3
    assert unconcerned.state is VersionState.PUBLISHED
