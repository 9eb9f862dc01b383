"""One byte string per report, the digest by which it is known, and the report read back from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

from pydantic import TypeAdapter

from app.evidence.canonical import canonical
from app.reports.job_report import JobReport
from app.reports.period_report import PeriodReport
from app.reports.request_report import RequestReport

Report = JobReport | RequestReport | PeriodReport
Kind = TypeVar("Kind", JobReport, RequestReport, PeriodReport)


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
    return Document(canonical(forms()[type(report)].dump_python(report, mode="json")))


def read_back(told: Document, kind: type[Kind]) -> Kind:
    """The report that these bytes are; pages are made of it, so they can say nothing else."""
    return forms()[kind].validate_json(told.content)


@cache
def forms() -> Mapping[type[Report], TypeAdapter[Any]]:
    """Made once, at the first report: the source of every part is read for its docstrings."""
    return {kind: TypeAdapter(kind) for kind in (JobReport, RequestReport, PeriodReport)}
