"""What the engineer, and whoever checks on them, is told of one job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.ledger import job_sizes, jobs, riders, versions
from app.ledger.states import ACTIVE_JOB_STATES, JobKind, JobState
from app.ledger.tables import Dataset, Erasure, Job, ModelVersion
from app.reports import derivations
from app.reports.clocks import Carried, carried
from app.reports.costs import Costs, costs_of
from app.reports.derivations import Derived
from app.reports.facts import (
    Step,
    Version,
    Withdrawn,
    destroyed,
    entered,
    timeline,
    utc,
    withdrawn_for,
)
from app.reports.made_with import MadeWith, made_with
from app.reports.measured import Audit, Decision, Failure, Run, Training, read
from app.reports.pipeline import Checked, Pipeline, checked_by, pipeline_of
from app.reports.precedence import Precedence, precedence

FORMAT = "lacuna.job-report/1"
Made = TypeVar("Made", Run, Audit)


@dataclass(frozen=True)
class JobFacts:
    """The job itself."""

    id: UUID
    """Its id."""
    kind: JobKind
    """Training a first version, or unlearning."""
    state: JobState
    """How far it is."""
    final: bool
    """Whether it has come to its end."""
    attempt: int
    """How often a worker has taken it up."""
    seed: int
    """What all its randomness comes from."""
    due_at: datetime | None
    """The earliest due date of its erasures."""
    created_at: datetime
    """When it was queued."""
    started_at: datetime | None
    """When a worker first took it up."""
    finished_at: datetime | None
    """When it came to its end."""
    failure: Failure | None
    """Of the last attempt that failed, if one did."""


@dataclass(frozen=True)
class Progress:
    """How far the present phase is."""

    share: float = 0.0
    """0 to 1, of the present phase."""
    words: str = ""
    """What is going on."""
    eta_seconds: float | None = None
    """The phase's predicted rest."""


@dataclass(frozen=True)
class ModelFacts:
    """Whose next version the job makes."""

    name: str
    """The model's name."""
    recipe: str
    """How its networks are built and trained."""
    dataset: str
    """What it is trained on."""


@dataclass(frozen=True)
class Batch:
    """What is forgotten and what is kept."""

    requests: int | None
    """How many are carried out; null once a job that came to nothing has given them back."""
    forget: int
    """Samples to forget, riders included."""
    riders: int
    """Of these, samples of canaries: nobody asked for them, they show what the audit can see."""
    retain: int
    """Samples to keep."""

    @property
    def share(self) -> float:
        """Of the training set, what is forgotten."""
        return self.forget / (self.forget + self.retain) if self.forget else 0.0


@dataclass(frozen=True)
class JobReport:
    """One job, from the ledger alone. Parts that it has not reached yet are null."""

    # So that the docstring under each field, of parts too, is its description in /docs.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    format: str
    """The form of this report."""
    job: JobFacts
    """The job itself."""
    progress: Progress | None
    """How far the present phase is, while somebody works on it."""
    model: ModelFacts
    """Whose next version it makes."""
    batch: Batch
    """What is forgotten and what is kept."""
    requests: tuple[Carried, ...]
    """Those that it carries out, the most urgent first, with their dates, extensions and holds."""
    before: Version | None
    """The version that it started from."""
    after: Version | None
    """The version that it made."""
    withdrawn: tuple[Withdrawn, ...]
    """The versions that were taken out of use for it."""
    derived: tuple[Derived, ...]
    """What others derived from the versions that were taken out of use."""
    timeline: tuple[Step, ...]
    """Every step, oldest first."""
    precedence: Precedence | None
    """That the decision was in the ledger before anything was run; null before there is one."""
    hardness: dict[str, object] | None
    """How hard the forgetting would be, as measured (models/hardness/record.py)."""
    decision: Decision | None
    """The route, and why."""
    training: Training | None
    """Of a first training: how it went."""
    made_with: MadeWith | None
    """Settings, policy, software and hardware of the decided route."""
    run: Run | None
    """What was run on the decided route."""
    overruled: tuple[Run, ...]
    """The runs that an audit sent back before."""
    audit: Audit | None
    """Of the run on the decided route."""
    checked: Checked | None
    """Of a job that holds a version against a true retrain: what came of it."""
    pipeline: Pipeline | None
    """What such checks say of the model's versions; null before the first."""
    destroyed: tuple[str, ...]
    """SHA-256 of the weights of all networks that it trained only to score or to compare them."""
    costs: Costs | None
    """What it took."""

    @property
    def final(self) -> bool:
        """Whether it has come to its end, and its entries have their places in the ledger."""
        return self.job.final and entered(self.timeline)


def job_report(session: Session, job_id: UUID) -> JobReport:
    """The report on this job, as far as it has come."""
    job = jobs.get(session, job_id)
    before = job.parent_version_id and versions.by_id(session, job.parent_version_id)
    after = session.scalar(select(ModelVersion).where(ModelVersion.job_id == job.id))
    decision = read(Decision, job.decision)
    overruled, steps = overruled_runs(job), timeline(session, job)
    run, audit = (
        current(read(Run, run_of(job)), decision),
        current(read(Audit, job.audit), decision),
    )
    return JobReport(
        format=FORMAT,
        job=job_facts(job),
        progress=progress_of(job),
        model=model_facts(session, job),
        batch=batch_of(session, job),
        requests=carried(session, job),
        before=Version.of(before) if before else None,
        after=Version.of(after) if after else None,
        withdrawn=withdrawn_for(session, job.model, after) if after else (),
        derived=derivations.replaced_by(session, after) if after else (),
        timeline=steps,
        precedence=precedence(steps),
        hardness=job.hardness,
        decision=decision,
        training=read(Training, job.run) if job.kind is JobKind.TRAIN else None,
        made_with=made_with(job),
        run=run,
        overruled=overruled,
        audit=audit,
        checked=checked_by(session, job),
        pipeline=pipeline_of(session, job),
        destroyed=destroyed(session, job),
        costs=costs_of(job, decision, [*overruled, run], audit),
    )


def job_facts(job: Job) -> JobFacts:
    return JobFacts(
        id=job.id,
        kind=job.kind,
        state=job.state,
        final=job.state not in ACTIVE_JOB_STATES,
        attempt=job.attempt,
        seed=job.seed,
        due_at=job.due_at and utc(job.due_at),
        created_at=utc(job.created_at),
        started_at=job.started_at and utc(job.started_at),
        finished_at=job.finished_at and utc(job.finished_at),
        failure=read(Failure, job.error),
    )


def progress_of(job: Job) -> Progress | None:
    """How far the present phase is, while there is one that somebody works on."""
    if job.lease_until is None or not job.progress:
        return None
    return TypeAdapter(Progress).validate_python(job.progress)


def model_facts(session: Session, job: Job) -> ModelFacts:
    dataset = session.get_one(Dataset, job.model.dataset_id)
    return ModelFacts(name=job.model.name, recipe=job.model.recipe, dataset=dataset.name)


def batch_of(session: Session, job: Job) -> Batch:
    query = select(func.count(Erasure.id)).where(Erasure.job_id == job.id)
    given_back = job.state in (JobState.FAILED, JobState.CANCELLED)
    return Batch(
        requests=None if given_back else session.scalar(query),
        forget=job_sizes.to_forget(job),
        riders=len(riders.riding(riders.of_job(session, job.id))),
        retain=job_sizes.to_keep(job),
    )


def run_of(job: Job) -> dict[str, Any] | None:
    return job.run if job.kind is JobKind.UNLEARN else None


def overruled_runs(job: Job) -> tuple[Run, ...]:
    """The runs that an audit sent back, oldest first."""
    sent_back = (run_of(job) or {}).get("earlier", [])
    return TypeAdapter(tuple[Run, ...]).validate_python(sent_back)


def current(made: Made | None, decision: Decision | None) -> Made | None:
    """What was made on the decided route.

    Between the decision to retrain after all and that retrain, the row still holds the run and the
    audit that led to it.
    """
    return made if made and decision and made.route == decision.route else None
