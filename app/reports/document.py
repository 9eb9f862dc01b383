"""One byte string per report, and the digest by which it is known."""

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property

from pydantic import TypeAdapter

from app.evidence.canonical import canonical
from app.reports.job_report import JobReport
from app.reports.period_report import PeriodReport
from app.reports.request_report import RequestReport

Report = JobReport | RequestReport | PeriodReport


@dataclass(frozen=True)
class Document:
    """A report as canonical JSON (RFC 8785): what is handed out, hashed, and later signed."""

    content: bytes

    @cached_property
    def sha256(self) -> str:
        """What `sha256sum` says of the JSON as it was downloaded."""
        return hashlib.sha256(self.content).hexdigest()


def document(report: Report) -> Document:
    """The report as JSON; times are RFC 3339 in UTC. ValueError for a number that is NaN."""
    return Document(canonical(reports().dump_python(report, mode="json")))


@cache
def reports() -> TypeAdapter[Report]:
    """Made once, at the first report: the source of every part is read for its docstrings."""
    return TypeAdapter(Report)
