"""Reports as self-contained pages: one stylesheet inside, no script, nothing fetched."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.reports import plots, summaries, tables, words
from app.reports.document import Document, read_back
from app.reports.job_report import JobReport
from app.reports.landing import Landing
from app.reports.numbers import FILTERS
from app.reports.period_report import PeriodReport
from app.reports.request_report import RequestReport
from app.reports.roc_plot import roc_plot

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "style.css").read_text()
RELOAD_SECONDS = 5

# What a page may do: nothing but use its own stylesheet, which is known by its hash.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)

environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.filters |= FILTERS
environment.globals |= {"style": Markup(STYLE), "words": words}  # noqa: S704, our own file


def job_page(told: Document, *, still: bool = False) -> str:
    """The page on one job.

    One that is not final reloads itself, unless it is to keep still because it will be printed.
    """
    report = read_back(told, JobReport)
    audit = report.audit
    return page(
        "job.html",
        report=report,
        digest=told.sha256,
        summary=summaries.of_job(report),
        reload_seconds=None if report.final or still else RELOAD_SECONDS,
        decided_by=tables.decided_by(report.decision) if report.decision else [],
        hardness=tables.hardness(report.hardness) if report.hardness else [],
        served=tables.served(audit) if audit else [],
        served_strata=tables.served_strata(audit) if audit else [],
        served_groups=tables.served_groups(audit) if audit else [],
        fallen=tables.fallen(audit) if audit else [],
        aucs=tables.aucs(audit) if audit else [],
        leak_plot=plots.leak_plot(audit.leaks) if audit and audit.leaks else None,
        utility_plot=plots.utility_plot(audit.whole_sets) if audit and audit.utility else None,
        roc_plot=roc_plot(audit.rocs) if audit and audit.rocs else None,
        loss_panels=plots.loss_panels(audit.distributions, audit.band) if audit else [],
        confidence_panels=plots.confidence_panels(audit.distributions, audit.band) if audit else [],
    )


def request_page(told: Document, *, still: bool = False) -> str:
    """The page on one deletion request, for the person who asked."""
    report = read_back(told, RequestReport)
    return page(
        "request.html",
        report=report,
        digest=told.sha256,
        summary=summaries.of_request(report),
        outcomes=[
            (outcome, summaries.of_outcome(outcome, report.request.state))
            for outcome in report.outcomes
        ],
        derived=[(child, summaries.of_derived(child)) for child in report.derived],
        reload_seconds=None if report.final or still else RELOAD_SECONDS,
    )


def period_page(told: Document, *, still: bool = False) -> str:
    """The page on a period, for the auditor; it never reloads itself."""
    report = read_back(told, PeriodReport)
    return page(
        "period.html",
        report=report,
        digest=told.sha256,
        summary=summaries.of_period(report),
        counts=tables.counts(report),
        times=tables.times(report),
        manners=tables.manners(report),
        reload_seconds=None,
    )


def landing_page(landing: Landing) -> str:
    """What a person with a browser sees first."""
    return page("landing.html", landing=landing, reload_seconds=None)


def page(template: str, **context: Any) -> str:
    return environment.get_template(template).render(**context)
