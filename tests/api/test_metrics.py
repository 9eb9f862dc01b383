"""Each metric against a ledger whose every number is known."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.ledger import batching, endings, jobs, publishing, signing_refusals
from app.ledger.states import JobState
from app.ledger.tables import Job
from app.ledger.transitions import move
from tests.api.conftest import Clock
from tests.factories import (
    DAY,
    NOW,
    announce_worker,
    claim,
    digest_of,
    make_erasure,
    make_job,
    make_model,
    make_version,
)
from tests.ledger.signing import sequence

MADE_WITH = {"hardware": {"device": "H100"}}


class Scraped:
    """One answer of /metrics."""

    def __init__(self, text: str) -> None:
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"lacuna_{name}", tuple(sorted(labels.items()))))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def scrape(http: TestClient) -> Scraped:
    response = http.get("/metrics")
    assert response.status_code == 200, response.text
    return Scraped(response.text)


def pass_through(session: Session, job: Job, *seconds: float) -> None:
    """Queued, assessed, unlearned, audited and sent back, each for so long."""
    at = NOW
    steps = (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.UNLEARNING)
    for state, lasted in zip(steps, seconds, strict=True):
        at += timedelta(seconds=lasted)
        move(session, job, state, now=at)


def test_the_age_of_the_queue_is_that_of_the_oldest_erasure_and_of_the_oldest_free_job(
    http: TestClient, session: Session, clock: Clock
) -> None:
    make_version(session, make_model(session, max_wait_seconds=3600.0))
    erasure = make_erasure(session, "ada")
    make_erasure(session, "ben", now=NOW + timedelta(seconds=50))

    clock.pass_by(60)
    pending = scrape(http)
    job = batching.batch(session, erasure.model_id, now=clock.now, flush=True)
    clock.pass_by(7)
    queued = scrape(http)
    assert job is not None
    assert claim(session, job, now=clock.now, lease=30.0)
    worked_on = scrape(http)
    clock.pass_by(33)
    abandoned = scrape(http)

    assert pending.get("queue_age_seconds", model="faces", queue="erasures") == 60
    assert pending.get("queue_age_seconds", model="faces", queue="jobs") is None
    assert pending.get("erasures_open", model="faces") == 2
    assert queued.get("queue_age_seconds", model="faces", queue="erasures") is None
    assert queued.get("queue_age_seconds", model="faces", queue="jobs") == 7
    assert worked_on.get("queue_age_seconds", model="faces", queue="jobs") is None
    assert abandoned.get("queue_age_seconds", model="faces", queue="jobs") == 3
    assert abandoned.get("erasures_open", model="faces") == 2


def test_the_slack_is_that_of_the_earliest_due_date_and_falls_below_nought(
    http: TestClient, session: Session, clock: Clock
) -> None:
    make_version(session)
    make_erasure(session, "ada", due_at=NOW + 9 * DAY)
    make_erasure(session, "ben", due_at=NOW + 2 * DAY)

    before = scrape(http)
    clock.now = NOW + 3 * DAY
    after = scrape(http)

    assert before.get("due_slack_seconds", model="faces") == 2 * 86400
    assert before.get("requests_overdue") == 0
    assert after.get("due_slack_seconds", model="faces") == -86400
    assert after.get("requests_overdue") == 1


def test_phases_are_counted_by_how_long_jobs_stayed_in_each_state(
    http: TestClient, session: Session
) -> None:
    job = make_job(session)

    pass_through(session, job, 2.0, 70.0, 400.0, 10.0)
    told = scrape(http)

    def phase(name: str, what: str, **limit: str) -> float | None:
        return told.get(f"job_phase_seconds_{what}", kind="unlearn", phase=name, **limit)

    assert [phase("queued", "bucket", le=limit) for limit in ("1.0", "5.0", "+Inf")] == [0, 1, 1]
    assert [phase("assessing", "sum"), phase("assessing", "count")] == [70, 1]
    assert [phase("unlearning", "sum"), phase("auditing", "sum")] == [400, 10]
    assert phase("unlearning", "count") == 1, "the job is still in the second one"
    assert told.get("jobs_active", model="faces", kind="unlearn", state="unlearning") == 1


def test_seconds_of_compute_are_all_that_was_measured_by_the_device_that_did_it(
    http: TestClient, session: Session
) -> None:
    make_version(session)
    erasures = [make_erasure(session, "ada"), make_erasure(session, "ben")]
    job = batching.batch(session, erasures[0].model_id, now=NOW, flush=True)
    assert job is not None
    session.refresh(job, ["model"])
    pass_through(session, job, 1.0, 1.0, 1.0, 1.0)
    first = {"route": "hamu", "seconds": 10.0, "audit": {"seconds": 4.0}}
    job.hardness = {"seconds": 2.0}
    job.decision = {"route": "retrain", "escalated_from": "hamu"}
    job.run = {"route": "retrain", "seconds": 100.0, "earlier": [first], "made_with": MADE_WITH}
    job.audit = {"seconds": 5.0}
    for state in (JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    publishing.publish_unlearned(
        session, job, route="retrain", weights_digest=digest_of(""), manifest={}, now=NOW
    )

    told = scrape(http)

    assert told.get("compute_seconds_total", model="faces", device="H100") == 121
    assert told.get("erasures_forgotten_total", model="faces") == 2
    assert told.get("jobs_escalated_total", model="faces") == 1
    assert told.get("jobs_ended_total", model="faces", kind="unlearn", state="succeeded") == 1
    assert told.get("erasures_open", model="faces") is None


def test_a_failed_job_is_counted_and_its_erasures_are_owed_again(
    http: TestClient, session: Session
) -> None:
    make_version(session)
    erasure = make_erasure(session, "ada")
    job = batching.batch(session, erasure.model_id, now=NOW, flush=True)
    assert job is not None

    endings.abandon(
        session, job, JobState.FAILED, now=NOW, retry_seconds=60.0, reason="out_of_memory"
    )
    told = scrape(http)

    assert told.get("jobs_ended_total", model="faces", kind="unlearn", state="failed") == 1
    assert told.get("erasures_open", model="faces") == 1
    assert jobs.active_for(session, erasure.model_id) is None


def test_the_sequencers_lag_is_counted_while_entries_wait(
    http: TestClient, session: Session, clock: Clock
) -> None:
    line = make_model(session)
    sequence(session)

    clock.pass_by(500)
    in_step = scrape(http)
    make_version(session, line)
    behind = scrape(http)
    signing_refusals.note(session, "will_not_sign", "the tree is another", now=NOW)
    refused = scrape(http)

    assert (in_step.get("sequencer_waiting_entries"), in_step.get("sequencer_lag_seconds")) == (
        0,
        0,
    )
    assert (behind.get("sequencer_waiting_entries") or 0) > 0
    assert behind.get("sequencer_lag_seconds") == 500
    assert behind.get("ledger_unsigned", code="will_not_sign") is None
    assert refused.get("ledger_unsigned", code="will_not_sign") == 1


def test_models_show_how_many_workers_can_serve_them(
    http: TestClient, session: Session, clock: Clock, configured: Settings
) -> None:
    make_model(session)
    announce_worker(session, "one")
    announce_worker(session, "other", recipe="another")

    there = scrape(http)
    clock.pass_by(configured.worker_gone_seconds + 1)
    gone = scrape(http)

    assert there.get("workers", model="faces") == 1
    assert gone.get("workers", model="faces") == 0


def test_the_room_that_is_left_is_told(http: TestClient) -> None:
    free = scrape(http).get("data_free_bytes")

    assert free is not None
    assert 0 < free < 2**60


def test_the_counters_of_the_process_are_told_too(http: TestClient) -> None:
    assert "# TYPE python_info gauge" in http.get("/metrics").text
