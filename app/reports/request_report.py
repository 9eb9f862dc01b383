"""What the person who asked is told: what was done, by when; it never names them.

Left out on purpose: the subject's hash, the sample ids, and the `external_id`, which may hold
anything. The request's own id is reference enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy.orm import Session

from app.law import Law, Manner
from app.ledger import derived, requests, versions
from app.ledger.states import FINAL_REQUEST_STATES, ErasureState, JobState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Job
from app.reports import clocks, derivations
from app.reports.clocks import Denied, Extended, Held
from app.reports.derivations import Derived
from app.reports.facts import (
    Step,
    Withdrawn,
    entered,
    timeline,
    timelines,
    utc,
    withdrawn_for,
)

FORMAT = "lacuna.request-report/1"


@dataclass(frozen=True)
class RequestFacts:
    """The request itself."""

    id: UUID
    """Its id."""
    state: RequestState
    """The least advanced of its erasures."""
    final: bool
    """Whether it has come to its end."""
    samples: int
    """How many were found."""
    law: Law
    """Under which law the person asked."""
    manner: Manner | None
    """How the request was made; null where nobody said."""
    received_at: datetime
    """When the person asked."""
    confirm_by: datetime | None
    """By when receipt had to be confirmed; null where the law has no such date."""
    due_at: datetime
    """By when it must be answered, an extension included."""
    finished_at: datetime | None
    """When it came to its end."""
    in_time: bool | None
    """Whether that was by the due date; null while it is open."""
    extension: Extended | None
    """Why it is due later than at first."""
    denial: Denied | None
    """Why it was denied."""


@dataclass(frozen=True)
class Outcome:
    """What the request came to for one model."""

    model: str
    """The model's name."""
    state: ErasureState
    """How far the forgetting is."""
    samples: int
    """How many of the request's samples one of its versions had seen."""
    job: UUID | None
    """The job that carries it out."""
    job_state: JobState | None
    """How far that is."""
    version: int | None
    """The one that took the place of those that had seen the samples."""
    made_by: str | None
    """How that version was made: trained, uploaded, or an unlearning route."""
    made_at: datetime | None
    """When it was published."""
    verdict: str | None
    """The audit's word: pass, escalate, inconclusive."""
    findings: tuple[str, ...]
    """The audit's sentences."""
    audited: int | None
    """How many samples it looked at, other people's of the same batch included."""
    withdrawn: tuple[Withdrawn, ...]
    """The versions that were taken out of use."""
    reason: str | None
    """Why an erasure waits for a person, or was given back."""
    holds: tuple[Held, ...]
    """The times it was put aside, oldest first."""


@dataclass(frozen=True)
class RequestReport:
    """One deletion request, from the ledger alone."""

    # So that the docstring under each field, of parts too, is its description in /docs.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    format: str
    """The form of this report."""
    request: RequestFacts
    """The request itself."""
    outcomes: tuple[Outcome, ...]
    """What it came to, model by model."""
    derived: tuple[Derived, ...]
    """What others derived from versions that saw the samples; empty once these were shredded."""
    timeline: tuple[Step, ...]
    """Every step of the request, oldest first."""

    @property
    def final(self) -> bool:
        """Whether it has come to its end, and its entries have their places in the ledger."""
        return self.request.final and entered(self.timeline)


def request_report(session: Session, request_id: UUID) -> RequestReport:
    """The report on this request, as far as it has come."""
    request = requests.get(session, request_id)
    erasures = sorted(request.erasures, key=lambda erasure: erasure.model.name)
    steps = timelines(session, erasures)
    return RequestReport(
        format=FORMAT,
        request=request_facts(session, request),
        outcomes=tuple(outcome(session, erasure, steps[erasure.id]) for erasure in erasures),
        derived=derivations.told(derived.reached(session, requests.resolved(session, request_id))),
        timeline=timeline(session, request),
    )


def request_facts(session: Session, request: DeletionRequest) -> RequestFacts:
    finished = request.finished_at
    return RequestFacts(
        id=request.id,
        state=request.state,
        final=request.state in FINAL_REQUEST_STATES,
        samples=request.sample_count,
        law=request.law,
        manner=request.manner,
        received_at=utc(request.received_at),
        confirm_by=request.confirm_by and utc(request.confirm_by),
        due_at=utc(request.due_at),
        finished_at=finished and utc(finished),
        in_time=None if finished is None else finished <= request.due_at,
        extension=clocks.extensions(session, [request.id]).get(request.id),
        denial=clocks.denial(session, request),
    )


def outcome(session: Session, erasure: Erasure, steps: Sequence[Step]) -> Outcome:
    """What one model had to do, and what came of it."""
    job = session.get_one(Job, erasure.job_id) if erasure.job_id else None
    version = versions.by_id(session, erasure.version_id) if erasure.version_id else None
    audit = job.audit if job and version else None
    return Outcome(
        model=erasure.model.name,
        state=erasure.state,
        samples=len(erasure.samples),
        job=erasure.job_id,
        job_state=job.state if job else None,
        version=version.number if version else None,
        made_by=version.made_by if version else None,
        made_at=utc(version.created_at) if version else None,
        verdict=audit["verdict"] if audit else None,
        findings=tuple(audit["sentences"]) if audit else (),
        audited=audit["samples"]["forget"] if audit else None,
        withdrawn=withdrawn_for(session, erasure.model, version) if version else (),
        reason=clocks.said(steps[-1], "reason"),
        holds=clocks.holds(steps),
    )
