import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from app.ledger.tables import Job
from app.reports import html
from app.reports.document import document
from app.reports.job_report import JobReport, job_report
from app.reports.landing import Landing, landing
from app.reports.numbers import duration, number, score, signed
from tests import factories
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.reading import Page, read_page

HOSTILE = '<script>alert("x")</script>\'&'


def report_of(session: Session, job: Job) -> JobReport:
    session.flush()
    sequence(session)
    session.expire_all()
    return job_report(session, job.id)


def page_of(report: JobReport) -> Page:
    return read_page(html.job_page(document(report)))


def begun(session: Session) -> Job:
    job = stages.carried(session, stages.claimed(session), "begin")
    job.progress = {"share": 0.4, "words": "step 24 of 60", "eta_seconds": 3.5}
    return job


def awaiting(session: Session) -> Job:
    return stages.carried(session, stages.claimed(session, approval=True), "begin", "assess")


def escalating(session: Session) -> Job:
    job = stages.claimed(session)
    return stages.carried(session, job, "begin", "assess", "unlearn", "audit", verdict="escalate")


def without_reference(session: Session) -> Job:
    return stages.succeeded(session, references=0)


def not_finite(session: Session) -> Job:
    """An audit that could measure nothing but the version before."""
    told = stages.answers(verdict="escalate")
    for part in ("utility", "distributions", "attacks"):
        told["audit"][part] = [one for one in told["audit"][part] if one["network"] != "served"]
    told["audit"] |= {"finite": False, "movement": None, "changes": [], "numbers": {}}
    told["audit"]["route"] = "retrain"
    job = stages.claimed(session, route="retrain")
    return stages.carried(session, job, "begin", "assess", "unlearn", "audit", **told)


def broken(session: Session) -> Job:
    return stages.failed(session, {"code": "child_died", "detail": "out of memory"})


def beside_two(session: Session) -> Job:
    return stages.succeeded(session, references=2)


OPEN = [stages.queued, begun, awaiting, escalating, not_finite]
ENDED = [stages.succeeded, without_reference, beside_two, stages.untouched, stages.trained, broken]


def test_a_page_tells_what_became_of_those_who_stay(session: Session) -> None:
    report = report_of(session, beside_two(session))

    page = page_of(report)

    assert report.audit is not None
    assert report.audit.neighbours is not None
    assert "Are those who stay easier to find than before?" in page.text
    assert f"the {report.audit.neighbours.samples} retained samples that lie nearest" in page.text
    assert {one.network for one in report.audit.neighbours.exposures} == {"served", "reference"}


def test_a_page_tells_how_well_subgroups_are_served_where_the_recipe_names_any(
    session: Session,
) -> None:
    report = report_of(session, beside_two(session))
    assert report.audit is not None
    of_the_young = [
        replace(one, group="the young") for one in report.audit.whole_sets if one.samples == "test"
    ]
    audit = replace(report.audit, utility=(*report.audit.utility, *of_the_young))

    without, told = (page_of(each).text for each in (report, replace(report, audit=audit)))

    assert audit.whole_sets == report.audit.whole_sets
    assert "Mean score by subgroup" in told
    assert "the young" in told
    assert "subgroup" not in without


@pytest.mark.parametrize(("references", "panels"), [(0, 0), (1, 6), (2, 6)])
def test_plots_have_the_band_of_references_where_there_are_any(
    session: Session, references: int, panels: int
) -> None:
    job = stages.succeeded(session, references=references)

    text = html.job_page(document(report_of(session, job)))

    _, _, plots = text.partition("Loss and confidence, before and after")
    assert plots.count('class="allowed"') == panels
    assert (f"forgotten, to {references} reference" in text) == (panels > 0)


@pytest.mark.parametrize(("references", "times"), [(0, 0), (1, 1), (2, 2)])
def test_the_page_names_every_reference_that_was_asked_and_destroyed(
    session: Session, references: int, times: int
) -> None:
    page = page_of(report_of(session, stages.succeeded(session, references=references)))

    _, told, digests = page.text.partition("Every reference that was asked has been destroyed")
    assert bool(told) == (times > 0)
    assert digests.partition("Thresholds of the audit")[0].count(stages.DIGEST) == times
    assert ("could be asked" in page.text) == (times == 0)


@pytest.mark.parametrize("stage", [*OPEN, *ENDED])
def test_the_page_of_every_stage_is_well_formed_and_needs_nothing_from_elsewhere(
    session: Session, stage: Callable[[Session], Job]
) -> None:
    page = page_of(report_of(session, stage(session)))

    assert page.all("script") == []
    assert page.all("link") == []
    assert page.all("img") == []
    assert [style for _, attributes in page.elements if (style := attributes.get("style"))] == []
    assert "None" not in page.text
    assert re.search(r"\bnan\b", page.text) is None


@pytest.mark.parametrize("stage", [*OPEN, *ENDED])
def test_only_the_page_of_an_unfinished_job_reloads_itself(
    session: Session, stage: Callable[[Session], Job]
) -> None:
    page = page_of(report_of(session, stage(session)))

    reloads = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "refresh"]
    assert reloads == (["5"] if stage in OPEN else [])


def test_the_page_shows_the_digest_of_the_json(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))

    assert document(report).sha256 in page_of(report).text


def test_the_page_has_the_numbers_of_the_json_with_their_intervals(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))
    assert report.audit is not None
    assert report.decision is not None
    assert report.costs is not None

    text = page_of(report).text

    for one in report.audit.utility:
        interval = one.utility.score
        low, high = score(interval.low), score(interval.high)
        assert f"{score(interval.estimate)} [{low}, {high}]" in text
    for leak in report.audit.leaks:
        low, high = signed(leak.after.low), signed(leak.after.high)
        assert f"{signed(leak.after.estimate)} [{low}, {high}] ±{score(leak.margin)}" in text
    for value in [*report.decision.numbers.values(), *report.decision.thresholds.values()]:
        assert " ".join(number(value).split()) in text
    assert " ".join(f"together {duration(report.costs.total)}".split()) in text


def test_the_audits_sentences_and_the_reasons_stand_there_word_for_word(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))
    assert report.audit is not None
    assert report.decision is not None

    text = page_of(report).text

    for sentence in [*report.audit.sentences, *report.decision.reasons]:
        assert sentence in text


def test_what_others_wrote_is_text_and_never_markup(session: Session) -> None:
    job = stages.queued(session, name=HOSTILE)
    factories.claim(session, job)
    told = stages.answers()
    told["audit"]["sentences"] = [HOSTILE]
    told["unlearn"]["trace"]["stop"] = HOSTILE
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", **told)
    assert job.decision is not None
    job.decision = job.decision | {"reasons": [HOSTILE]}
    job.progress = {"share": 0.1, "words": HOSTILE}
    job.error = {"code": HOSTILE, "detail": HOSTILE}

    page = page_of(report_of(session, job))

    assert page.all("script") == []
    assert page.text.count(HOSTILE) >= 7


def test_plots_show_each_network_and_say_in_words_what_they_show(session: Session) -> None:
    page = page_of(report_of(session, stages.succeeded(session)))

    pictures = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    names = [svg["aria-labelledby"].split()[0].removesuffix("-title") for svg in pictures]
    networks = ["parent", "served", "reference"]
    panels = [f"{measure}-{one}" for measure in ("loss", "confidence") for one in networks]
    assert names == ["leaks", "roc", *panels, "utility"]


def test_the_policy_allows_the_stylesheet_that_is_inside() -> None:
    source = html.landing_page(Landing(version="1", models=(), jobs=()))

    style = source.partition("<style>")[2].partition("</style>")[0]
    assert style == html.STYLE
    assert "'sha256-" in html.POLICY


def test_the_landing_page_names_models_and_links_reports(session: Session) -> None:
    job = stages.succeeded(session)
    session.flush()
    session.expire_all()

    page = read_page(html.landing_page(landing(session)))

    links = [link["href"] for link in page.all("a")]
    assert f"/v1/jobs/{job.id}/report" in links
    assert "/v1/models/faces" in links
    assert "2, by unlearning (HAMU)" in page.text


def test_the_landing_page_of_an_empty_service_says_what_to_do(session: Session) -> None:
    page = read_page(html.landing_page(landing(session)))

    assert "No model is registered yet" in page.text
