import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import UnknownJob
from app.ledger import batching, endings, versions
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import JobState
from app.ledger.tables import Job, ModelVersion
from app.reports import tables
from app.reports.document import document
from app.reports.job_report import JobReport, job_report
from app.reports.words import DECIDED_BY, HARDNESS, ROUTES
from models.decision_terms import Route
from tests import factories
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.stages import NOW


def report_of(session: Session, job: Job) -> JobReport:
    """As another transaction reads it."""
    session.flush()
    sequence(session)
    session.expire_all()
    return job_report(session, job.id)


def test_a_finished_job_tells_what_was_forgotten_and_what_took_its_place(session: Session) -> None:
    job = stages.succeeded(session, "ada", "ben")

    report = report_of(session, job)

    assert report.final
    assert (report.batch.requests, report.batch.forget, report.batch.retain) == (2, 4, 6)
    assert report.batch.share == pytest.approx(0.4)
    assert report.before is not None
    assert report.after is not None
    assert (report.before.number, report.before.training_set_size) == (1, 10)
    assert (report.after.number, report.after.training_set_size) == (2, 6)
    assert (report.after.made_by, report.after.weights_sha256) == ("hamu", stages.DIGEST)
    (withdrawn,) = report.withdrawn
    assert withdrawn.number == 1
    assert withdrawn.purged_after - withdrawn.withdrawn_at == timedelta(days=7)


def test_the_steps_are_those_of_the_ledger(session: Session) -> None:
    job = stages.succeeded(session)

    steps = report_of(session, job).timeline

    entries = session.scalars(select(LedgerEntry.id).where(LedgerEntry.row_id == job.id)).all()
    assert len(steps) == len(entries)
    states = ["queued", "assessing", "unlearning", "auditing", "publishing", "succeeded"]
    assert [step.state for step in steps] == states
    assert steps[1].facts == {"attempt": 1}
    assert steps[3].facts["weights_sha256"] == stages.DIGEST
    moments = [step.at for step in steps if step.at]
    assert moments == sorted(moments)
    assert len(moments) == len(states)


def test_a_shredded_entry_leaves_its_state_and_its_hour(session: Session) -> None:
    job = stages.succeeded(session)
    session.flush()
    entry = session.scalars(
        select(LedgerEntry).where(LedgerEntry.row_id == job.id).order_by(LedgerEntry.id)
    ).first()
    assert entry is not None
    session.delete(session.get_one(LedgerPayload, entry.id))

    first = report_of(session, job).timeline[0]

    assert (first.state, first.at, first.facts) == ("queued", None, {})
    assert first.hour == NOW


def test_costs_are_what_was_measured_and_the_reference_is_told_apart(session: Session) -> None:
    job = stages.succeeded(session)

    costs = report_of(session, job).costs

    assert costs is not None
    measured, audit = stages.hardness(), stages.answers()["audit"]
    assert (costs.assess, costs.runs, costs.audits) == (measured["seconds"], 1.5, audit["seconds"])
    assert costs.total == costs.assess + costs.runs + costs.audits
    assert costs.share == pytest.approx(costs.total / 6.25)
    assert costs.reference == 2.5


def test_the_decision_keeps_every_number_and_threshold(session: Session) -> None:
    job = stages.succeeded(session)

    decided = report_of(session, job).decision

    assert decided is not None
    assert job.decision is not None
    assert decided.reasons == ("The policy orders the route hamu.",)
    assert decided.numbers == job.decision["numbers"]
    assert decided.thresholds == job.decision["thresholds"]


def overruled(session: Session) -> Job:
    """A job whose first run an audit sent back, before the retrain has begun."""
    job = stages.claimed(session)
    return stages.carried(session, job, "begin", "assess", "unlearn", "audit", verdict="escalate")


def test_between_a_run_and_its_retrain_no_overruled_result_counts_as_current(
    session: Session,
) -> None:
    job = overruled(session)

    report = report_of(session, job)

    assert job.state is JobState.UNLEARNING
    assert report.decision is not None
    assert (report.decision.route, report.decision.escalated_from) == ("retrain", "hamu")
    assert (report.run, report.audit) == (None, None)
    (first,) = report.overruled
    assert first.audit is not None
    assert (first.route, first.audit.verdict) == ("hamu", "escalate")
    assert first.audit.sentences == tuple(stages.answers()["audit"]["sentences"])
    assert first.audit.destroyed == (stages.DIGEST,)
    assert report.costs is not None
    assert (report.costs.runs, report.costs.reference) == (1.5, 2.5)


def test_an_escalated_job_tells_both_runs_and_counts_each_once(session: Session) -> None:
    job = overruled(session)
    retrained = stages.ran(seconds=4.0)
    stages.carried(session, job, "unlearn", "audit", "publish", route="retrain", unlearn=retrained)

    report = report_of(session, job)

    assert report.run is not None
    assert report.costs is not None
    assert report.after is not None
    assert ([run.route for run in report.overruled], report.run.route) == (["hamu"], "retrain")
    assert (report.costs.runs, report.after.made_by) == (5.5, "retrain")
    audits = [stages.answers(route=route)["audit"] for route in ("hamu", "retrain")]
    assert report.costs.audits == sum(audit["seconds"] for audit in audits)
    assert report.costs.reference == sum(audit["reference_seconds"] or 0 for audit in audits)


def test_the_route_none_has_an_audit_and_no_run(session: Session) -> None:
    job = stages.untouched(session)

    report = report_of(session, job)

    assert report.decision is not None
    assert report.before is not None
    assert report.after is not None
    assert report.audit is not None
    assert (report.decision.route, report.run) == ("none", None)
    assert report.after.weights_sha256 == report.before.weights_sha256


def test_a_training_tells_its_scores_and_has_no_parent(session: Session) -> None:
    job = stages.trained(session)

    report = report_of(session, job)

    assert report.training is not None
    assert report.training.scores == {"validation": 0.75, "test": 0.5}
    assert (report.before, report.run, report.audit, report.costs) == (None, None, None, None)
    assert (report.batch.share, report.batch.requests) == (0, 0)


def test_a_queued_job_has_only_what_is_known(session: Session) -> None:
    report = report_of(session, stages.queued(session))

    assert not report.final
    assert (report.batch.requests, report.batch.forget) == (1, 2)
    parts = (report.hardness, report.decision, report.run, report.audit, report.costs)
    assert parts == (None, None, None, None, None)
    assert (report.after, report.progress, report.withdrawn) == (None, None, ())


def test_progress_is_told_while_somebody_works_on_it(session: Session) -> None:
    job = stages.carried(session, stages.claimed(session), "begin")
    job.progress = {"share": 0.4, "words": "step 24 of 60", "eta_seconds": 3.5}

    progress = report_of(session, job).progress

    assert progress is not None
    assert (progress.share, progress.words, progress.eta_seconds) == (0.4, "step 24 of 60", 3.5)


def test_a_failed_job_says_why_and_that_its_requests_went_back(session: Session) -> None:
    job = stages.failed(session, {"code": "child_died", "detail": "out of memory"})

    report = report_of(session, job)

    assert report.final
    assert report.job.failure is not None
    assert (report.job.failure.code, report.job.failure.detail) == ("child_died", "out of memory")
    assert (report.batch.requests, report.after) == (None, None)
    assert report.timeline[-1].facts == {"reason": "child_died", "owner": "operator"}


def test_a_finished_report_keeps_its_digest_whatever_becomes_of_its_versions(
    session: Session,
) -> None:
    job = stages.succeeded(session)
    once = document(report_of(session, job)).sha256
    factories.make_request(session, "ben")
    later = batching.batch(session, job.model_id, now=NOW, flush=True)
    assert later is not None
    factories.claim(session, later)
    stages.carried(session, later, "begin", "assess", "unlearn", "audit", "publish")
    for version in session.scalars(select(ModelVersion).where(ModelVersion.number < 3)):
        versions.purge(session, version, now=NOW + timedelta(days=30))

    assert document(report_of(session, job)).sha256 == once


def test_no_report_says_nan(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))
    assert report.costs is not None
    broken = replace(report, costs=replace(report.costs, total=math.nan))

    with pytest.raises(ValueError, match="nan"):
        document(broken)


def test_the_json_has_its_keys_in_order_no_blanks_and_times_in_utc(session: Session) -> None:
    content = document(report_of(session, stages.succeeded(session))).content

    told = json.loads(content)
    assert list(told) == sorted(told)
    assert content.startswith(b'{"after":{"id":"')
    assert told["job"]["created_at"] == "2026-03-02T12:00:00Z"


def test_an_approval_is_a_step(session: Session) -> None:
    job = stages.carried(session, stages.claimed(session, approval=True), "begin", "assess")
    endings.approve(session, job, now=NOW)

    assert report_of(session, job).timeline[-1].facts == {"approved": True}


def test_every_number_of_a_decision_has_a_name_and_its_threshold_exists(session: Session) -> None:
    job = stages.succeeded(session)
    assert job.decision is not None

    assert set(DECIDED_BY) == set(job.decision["numbers"])
    thresholds = {threshold for _, threshold in DECIDED_BY.values() if threshold}
    assert thresholds <= set(job.decision["thresholds"])
    assert {route.value for route in Route} <= set(ROUTES)


def test_every_name_of_a_measure_is_found_in_a_measured_record() -> None:
    rows = tables.hardness(stages.hardness())

    assert [label for label, _, _ in rows] == [label for label, _ in HARDNESS.values()]


def test_an_unknown_job_has_no_report(session: Session) -> None:
    with pytest.raises(UnknownJob):
        job_report(session, stages.NOBODY)
