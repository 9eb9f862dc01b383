"""What the person who asked is told: what was done, by when; it never names them.

Left out on purpose: the subject's hash, the sample ids, and the `external_id`, which may hold
anything. The request's own id is reference enough.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.ledger import requests, versions
from app.ledger.states import FINAL_REQUEST_STATES, ErasureState, JobState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Job
from app.reports.facts import Step, Withdrawn, timeline, utc, withdrawn_for

FORMAT = "lacuna.request-report/1"


@dataclass(frozen=True)
class RequestFacts:
    """The request itself. `samples`: how many were found. `in_time`: None while it is open."""

    id: UUID
    state: RequestState
    final: bool
    samples: int
    received_at: datetime
    due_at: datetime
    finished_at: datetime | None
    in_time: bool | None


@dataclass(frozen=True)
class Outcome:
    """What the request came to for one model.

    `version`: the one that took the place of those that had seen the samples. `made_by`: the route.
    `verdict`, `findings`: the audit's word and its sentences; `audited`: how many samples it looked
    at, other people's of the same batch included. `reason`: why an erasure waits for a person.
    """

    model: str
    state: ErasureState
    samples: int
    job: UUID | None
    job_state: JobState | None
    version: int | None
    made_by: str | None
    made_at: datetime | None
    verdict: str | None
    findings: tuple[str, ...]
    audited: int | None
    withdrawn: tuple[Withdrawn, ...]
    reason: str | None


@dataclass(frozen=True)
class RequestReport:
    """One deletion request, from the ledger alone."""

    format: str
    request: RequestFacts
    outcomes: tuple[Outcome, ...]
    timeline: tuple[Step, ...]

    @property
    def final(self) -> bool:
        return self.request.final


def request_report(session: Session, request_id: UUID) -> RequestReport:
    """The report on this request, as far as it has come."""
    request = requests.get(session, request_id)
    erasures = sorted(request.erasures, key=lambda erasure: erasure.model.name)
    return RequestReport(
        format=FORMAT,
        request=request_facts(request),
        outcomes=tuple(outcome(session, erasure) for erasure in erasures),
        timeline=timeline(session, request),
    )


def request_facts(request: DeletionRequest) -> RequestFacts:
    finished = request.finished_at
    return RequestFacts(
        id=request.id,
        state=request.state,
        final=request.state in FINAL_REQUEST_STATES,
        samples=request.sample_count,
        received_at=utc(request.received_at),
        due_at=utc(request.due_at),
        finished_at=finished and utc(finished),
        in_time=None if finished is None else finished <= request.due_at,
    )


def outcome(session: Session, erasure: Erasure) -> Outcome:
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
        reason=reason(session, erasure),
    )


def reason(session: Session, erasure: Erasure) -> str | None:
    """Why an erasure is where it is, in the words of its last step."""
    return next(
        (
            str(step.facts["reason"])
            for step in timeline(session, erasure)[-1:]
            if "reason" in step.facts
        ),
        None,
    )
