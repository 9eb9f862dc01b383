"""The decision precedes the run in the ledger, however entries are batched."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.log_tables import LedgerEntry, LedgerLeaf
from app.ledger.tables import Job
from app.reports import html
from app.reports.document import document
from app.reports.job_report import JobReport, job_report
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.reading import read_page

STEPS = ("begin", "assess", "unlearn", "audit", "publish")
BEFORE_THE_RUN = {"job.queued", "job.assessing", "deletion_request.received", "erasure.pending"}


def one_by_one(session: Session, job: Job) -> None:
    """Each step's entries in a batch of their own."""
    for name in STEPS:
        sequence(session)
        stages.carried(session, job, name)
    sequence(session)


def all_together(session: Session, job: Job) -> None:
    stages.carried(session, job, *STEPS)
    sequence(session)


def three_at_a_time(session: Session, job: Job) -> None:
    """Batches that end anywhere."""
    stages.carried(session, job, *STEPS)
    while sequence(session, limit=3):
        pass


def report_of(session: Session, job: Job) -> JobReport:
    session.flush()
    session.expire_all()
    return job_report(session, job.id)


def indices(session: Session, *machines: str) -> dict[str, list[int]]:
    """By kind of entry: where such entries stand in the tree."""
    rows = session.execute(
        select(LedgerEntry.kind, LedgerLeaf.index)
        .join(LedgerLeaf, LedgerLeaf.entry_id == LedgerEntry.id)
        .where(LedgerEntry.machine.in_(machines))
        .order_by(LedgerLeaf.index)
    )
    found: dict[str, list[int]] = {}
    for kind, index in rows:
        found.setdefault(kind, []).append(index)
    return found


@pytest.mark.parametrize("enter", [one_by_one, all_together, three_at_a_time])
def test_the_decisions_index_precedes_every_entry_of_the_run(
    session: Session, enter: Callable[[Session, Job], None]
) -> None:
    job = stages.claimed(session, "ada")

    enter(session, job)

    told = report_of(session, job).precedence
    assert told is not None
    (decided,) = indices(session, "job")["job.unlearning"]
    assert told.decision == decided
    made = indices(session, "job", "model_version", "erasure", "receipt")
    run = [
        *made["job.auditing"],
        *made["job.publishing"],
        *made["job.succeeded"],
        *made["model_version.withdrawn"],
        *made["erasure.forgotten"],
        *made["receipt.completed"],
        made["model_version.published"][-1],
    ]
    assert all(decided < index for index in run)
    assert told.followed_by == min(made["job.auditing"])


def test_a_retrain_that_an_audit_ordered_comes_after_the_decision_too(session: Session) -> None:
    job = stages.claimed(session)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", verdict="escalate")
    retrained = stages.ran(seconds=4.0)
    stages.carried(session, job, "unlearn", "audit", "publish", route="retrain", unlearn=retrained)
    sequence(session)

    report = report_of(session, job)

    told = report.precedence
    assert told is not None
    assert told.decision is not None
    assert report.timeline[told.step].facts["route"] == "hamu"
    later = [step.index for step in report.timeline[told.step + 1 :] if step.index is not None]
    assert len(later) == len(report.timeline) - told.step - 1
    assert sorted(later) == later
    assert told.followed_by == later[0]
    assert told.decision < later[0]


def steps_of(report: JobReport) -> Sequence[int | None]:
    return [step.index for step in report.timeline]


def test_before_the_clerk_has_entered_them_no_index_is_told(session: Session) -> None:
    job = stages.succeeded(session)

    before = report_of(session, job)
    sequence(session)
    after = report_of(session, job)

    assert set(steps_of(before)) == {None}
    assert not before.final
    assert None not in steps_of(after)
    assert after.final


def test_a_job_that_is_not_decided_has_no_precedence(session: Session) -> None:
    failed = stages.failed(session, {"code": "child_died", "detail": "out of memory"})

    assert report_of(session, failed).precedence is None


def test_the_report_marks_the_decisions_entry_and_says_what_follows_it(session: Session) -> None:
    job = stages.succeeded(session)
    sequence(session)
    report = report_of(session, job)
    told = report.precedence
    assert told is not None

    page = read_page(html.job_page(document(report))).text

    assert f"The decision is entry {told.decision} of the ledger" in page
    assert f"begins with entry {told.followed_by}." in page
    assert page.count("states the decision") == 1
    assert "unlearning states the decision" in page
