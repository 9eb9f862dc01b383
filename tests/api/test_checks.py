"""How often a model's versions are defective, over HTTP and in reports."""

from sqlalchemy.orm import Session

from app.reports import html
from app.reports.document import document
from app.reports.job_report import job_report
from tests.api.conftest import Call
from tests.ledger.test_checks import ended, model_with, published


def test_a_model_without_checks_has_no_rate(session: Session, get: Call) -> None:
    model_with(session, 0.05)

    found = get("/v1/models/faces/checks")

    assert (found["share"], found["checked"], found["rate"], found["checks"]) == (0.05, 0, None, [])


def test_checks_tell_their_verdicts_and_the_exact_rate(session: Session, get: Call) -> None:
    ended(session, model_with(session, 1.0), "pass", "escalate", "inconclusive")

    found = get("/v1/models/faces/checks")

    assert [one["version"] for one in found["checks"]] == [2, 3, 4]
    assert [one["verdict"] for one in found["checks"]] == ["pass", "escalate", "inconclusive"]
    assert (found["checked"], found["defects"], found["unsettled"]) == (2, 1, 1)
    assert found["rate"]["estimate"] == 0.5
    assert found["rate"]["low"] < 0.5 < found["rate"]["high"]


def test_checks_of_an_unknown_model_are_refused(refused: Call) -> None:
    refused("GET", "/v1/models/nobody/checks", 404, "unknown-model")


def test_a_jobs_page_says_below_which_share_defects_are(session: Session) -> None:
    parent = model_with(session, 1.0)
    job = published(session, parent)
    ended(session, parent, "pass")
    job.finished_at = None  # its report is still open
    session.flush()
    session.expire_all()

    report = job_report(session, job.id)
    page = html.job_page(report, document(report).sha256)

    assert "0 defects in 1 job means below 95 % at 95 % confidence" in " ".join(page.split())
