import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.ledger.tables import Erasure, Job
from app.reports import html
from app.reports.document import document
from app.reports.drawings import shape_of
from app.reports.job_report import JobReport, job_report
from app.reports.markup import Element
from app.reports.numbers import score, signed
from app.reports.pdf import pdf
from app.reports.request_report import request_report
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.test_pages import ENDED, HOSTILE, OPEN


def report_of(session: Session, job: Job) -> JobReport:
    session.flush()
    sequence(session)
    session.expire_all()
    return job_report(session, job.id)


def printed(report: JobReport) -> bytes:
    digest = document(report).sha256
    return pdf(html.job_page(document(report), still=True), digest)


def read(content: bytes) -> list[str]:
    """The words on each sheet, with single blanks."""
    sheets = PdfReader(io.BytesIO(content)).pages
    return [" ".join(sheet.extract_text().split()) for sheet in sheets]


def test_the_sheets_say_what_the_page_says(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))
    assert report.audit is not None

    text = " ".join(read(printed(report)))

    assert "Unlearning report: faces, version 2" in text
    assert "audit: pass" in text
    for sentence in report.audit.sentences:
        assert sentence in text
    for one in report.audit.utility:
        interval = one.utility.score
        low, high = score(interval.low), score(interval.high)
        assert f"{score(interval.estimate)} [{low}, {high}]" in text
    for leak in report.audit.leaks:
        assert f"{signed(leak.after.estimate)} [{signed(leak.after.low)}" in text


def test_every_sheet_has_its_number_and_the_digest_of_the_json(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))

    sheets = read(printed(report))

    assert len(sheets) > 2
    for place, text in enumerate(sheets, start=1):
        assert f"{place} / {len(sheets)}" in text
        assert document(report).sha256 in text


def test_plots_are_drawn_and_not_pictures(session: Session) -> None:
    content = printed(report_of(session, stages.succeeded(session)))

    sheets = PdfReader(io.BytesIO(content)).pages
    assert [image for sheet in sheets for image in sheet.images] == []
    drawn = b"".join(sheet.get_contents().get_data() for sheet in sheets)  # type: ignore[union-attr]  # every sheet has contents
    assert len(re.findall(rb"\bl\s", drawn)) > 500  # lines of the curves' many points
    assert "AUC less the yardstick's" in " ".join(read(content))


def test_all_letters_are_inside(session: Session) -> None:
    content = printed(report_of(session, stages.succeeded(session)))

    resources: Any = PdfReader(io.BytesIO(content)).pages[0]["/Resources"]
    embedded = [
        font["/BaseFont"]
        for font in (found.get_object() for found in resources["/Font"].values())
        if "/FontFile2" in font.get("/FontDescriptor", {})
    ]
    assert any("SourceSansPro-Regular" in name for name in embedded)
    assert any("SourceSansPro-Bold" in name for name in embedded)


def test_the_same_report_gives_the_same_bytes(session: Session) -> None:
    report = report_of(session, stages.succeeded(session))

    assert printed(report) == printed(report)


@pytest.mark.parametrize("stage", [*OPEN, *ENDED])
def test_every_stage_can_be_printed(session: Session, stage: Callable[[Session], Job]) -> None:
    text = " ".join(read(printed(report_of(session, stage(session)))))

    assert "report: faces" in text
    assert "reloads itself" not in text
    assert ("This page shows what is known so far." in text) == (stage in OPEN)


def test_what_others_wrote_is_text_and_never_markup(session: Session) -> None:
    job = stages.queued(session, name=HOSTILE)

    assert HOSTILE in " ".join(read(printed(report_of(session, job))))


def test_a_person_can_print_their_report(session: Session) -> None:
    job = stages.succeeded(session, "ada")
    session.flush()
    session.expire_all()
    erasure = session.query(Erasure).filter_by(job_id=job.id).one()
    report = request_report(session, erasure.request_id)
    digest = document(report).sha256

    text = " ".join(read(pdf(html.request_page(document(report), still=True), digest)))

    assert "Your request to be forgotten" in text
    assert "What this means, and what it does not" in text
    assert digest in text


def test_a_plot_with_a_shape_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="no plot of ours has a path"):
        shape_of(Element("path"), 100.0)
