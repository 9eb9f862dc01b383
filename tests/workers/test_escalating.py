"""The clerk marks due dates that come near, and a job that would tell an untruth fails for good."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.db import transaction
from app.ledger import batching, clocks, jobs, lineage, requests
from app.ledger.lineage import Incomplete
from app.ledger.states import ErasureState, JobState, RequestState
from tests.factories import NOW, claim, make_request, make_version
from workers import running, sweeping
from workers.station import Station


def test_a_due_date_that_comes_near_is_marked_by_the_sweep_and_logged_once(
    station: Station,
) -> None:
    with transaction(station.sessions) as session:
        make_version(session)
        request = make_request(session, "ada")
    near = replace(station, clock=lambda: request.due_at - timedelta(hours=1))

    with capture_logs() as logs:
        sweeping.escalate(near)
        sweeping.escalate(near)

    told = [line for line in logs if line["log_level"] == "warning"]
    assert [line["event"] for line in told] == [*clocks.STAGES, "at_risk"]
    assert {line["request"] for line in told} == {str(request.id)}
    with transaction(station.sessions) as session:
        row = requests.get(session, request.id)
        assert clocks.of(session, [row])[row.id].at_risk


def test_a_completion_that_would_be_untrue_fails_the_job_at_once_and_says_that_it_is_a_bug(
    station: Station,
) -> None:
    with transaction(station.sessions) as session:
        version = make_version(session)
        request = make_request(session, "ada")
        job = batching.batch(session, version.model_id, now=NOW, flush=True)
        assert job is not None
        claim(session, job)
        samples = requests.resolved(session, request.id)
        with pytest.raises(Incomplete) as refusal:
            lineage.require_complete(session, samples)  # version 1 is in use and saw them
        running.failed_attempt(station, session, job, running.described(refusal.value))

    with transaction(station.sessions) as session:
        failed, owed = jobs.get(session, job.id), requests.get(session, request.id)
        assert failed.state is JobState.FAILED
        assert failed.error is not None
        assert failed.error["code"] == "incomplete"
        assert "this is a bug in Lacuna" in failed.error["detail"]
        assert owed.state is RequestState.ACCEPTED
        assert [erasure.state for erasure in owed.erasures] == [ErasureState.PENDING]
