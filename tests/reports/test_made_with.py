"""What a job's network was made with, in its report and in its receipts alike."""

from sqlalchemy.orm import Session

from app.ledger import model_lines, statements
from app.ledger.policy import Policy
from app.ledger.tables import Job
from app.reports import html
from app.reports.document import document
from app.reports.job_report import JobReport, job_report
from app.reports.made_with import MadeWith
from tests.reports import stages
from tests.reports.reading import read_page


def report_of(session: Session, job: Job) -> JobReport:
    session.flush()
    session.expire_all()
    return job_report(session, job.id)


def made_by(report: JobReport) -> MadeWith:
    assert report.made_with is not None
    return report.made_with


def test_a_report_has_every_setting_the_policy_the_software_and_the_hardware(
    session: Session,
) -> None:
    job = stages.succeeded(session)

    made = made_by(report_of(session, job))

    told = stages.ran()["made_with"]
    assert made.configuration["settings"] == told["settings"]
    assert made.configuration["policy"] == Policy(route="hamu").stored()
    assert made.configuration["recipe"] == job.model.recipe
    assert (made.software, made.hardware) == (told["software"], told["hardware"])


def test_receipts_state_the_same_configuration(session: Session) -> None:
    job = stages.succeeded(session)

    stated = statements.work(session, job)

    made = made_by(report_of(session, job))
    assert stated["configuration_sha256"] == made.configuration_sha256
    assert stated["configuration"] == made.configuration


def test_a_policy_that_is_changed_later_changes_no_report(session: Session) -> None:
    job = stages.succeeded(session)
    before = document(report_of(session, job)).sha256

    line = model_lines.by_id(session, job.model_id)
    line.policy = Policy(max_wait_seconds=7.0).stored()

    assert document(report_of(session, job)).sha256 == before


def test_what_an_audit_sent_back_is_not_what_the_version_was_made_with(session: Session) -> None:
    job = stages.claimed(session)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", verdict="escalate")

    assert report_of(session, job).made_with is None


def test_where_nothing_was_run_there_is_a_policy_and_no_hardware(session: Session) -> None:
    made = made_by(report_of(session, stages.untouched(session)))

    assert (made.software, made.hardware, made.configuration["settings"]) == (None, None, None)
    assert made.configuration["policy"] is not None


def test_an_undecided_job_was_made_with_nothing_yet(session: Session) -> None:
    assert report_of(session, stages.queued(session)).made_with is None


def test_the_page_shows_settings_policy_software_and_the_digest(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))
    made = made_by(report)

    text = read_page(html.job_page(document(report))).text

    assert made.software is not None
    for words in (
        made.configuration_sha256,
        f"torch {made.software['torch']}",
        "batch size 256",
        "max wait seconds 300",
        "approval no",
    ):
        assert words in text
