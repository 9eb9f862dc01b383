"""How often a model's versions are defective, over HTTP and in reports."""

from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.ledger import checks
from app.reports import html
from app.reports.document import document
from app.reports.job_report import job_report
from app.reports.period_report import period_report
from tests.api.conftest import Call
from tests.factories import DAY, NOW
from tests.ledger.test_checks import OUTCOME, check_of, ended, model_with
from tests.reports import stages


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
    refused("GET", "/v1/models/nobody/checks", 404, "unknown_model")


def test_a_jobs_page_says_below_which_share_defects_are(session: Session) -> None:
    job = stages.claimed(session, oracle_share=1.0)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", "publish")
    check = check_of(session, job)
    assert check is not None
    checks.keep(session, check, "pass", OUTCOME, now=stages.NOW)  # of an earlier job, say
    session.expire_all()

    made, checking = (job_report(session, each) for each in (job.id, check.id))
    page, of_check = (html.job_page(document(each)) for each in (made, checking))

    told = "0 defects in 1 checked version means below 95% at 95% confidence."
    assert told in " ".join(page.split())
    assert made.checked is None
    assert checking.checked is not None
    assert checking.checked.verdict == "pass"
    assert str(OUTCOME["destroyed"]) in of_check


def test_a_period_tells_the_checks_that_ended_within_it(session: Session) -> None:
    ended(session, model_with(session, 1.0), "pass", "escalate")
    day = NOW.date()

    within, after = (
        period_report(session, first, first, zone=ZoneInfo("UTC"), now=NOW + 9 * DAY)
        for first in (day, day + DAY)
    )

    (model,) = within.checks
    assert (model.model, model.pipeline.checked, model.pipeline.defects) == ("faces", 2, 1)
    assert "1 defect in 2 checked versions means below" in html.period_page(document(within))
    assert after.checks == ()
