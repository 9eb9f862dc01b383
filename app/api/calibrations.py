"""Calibration: trials on synthetic forget sets, from which decisions take their thresholds."""

from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.api import repeats
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.jobs import JobRead, queued_once
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.errors import Conflict, NoLiveVersion, UnknownModel, UnknownRecipe, WorkerAbsent
from app.ledger import calibrations, model_lines, versions
from app.ledger.calibration_tables import Calibration, CalibrationCell
from app.ledger.policy import Policy
from app.ledger.states import JobState
from app.ledger.tables import Model

router = APIRouter(prefix="/v1/models", tags=["models"])


class Plan(BaseModel):
    """What a calibration would take."""

    trials: int = Field(description="Each is unlearned, retrained and audited.", examples=[8])
    retrains: float = Field(
        description="What it costs, in retrains; the audits' forward passes come on top.",
        examples=[9.0],
    )
    seconds: float | None = Field(
        description="The same in seconds, from the last training that was timed; null without one."
    )


class CellRead(BaseModel):
    """One trial."""

    number: int = Field(description="Its place, from 0.")
    version: int = Field(description="The version that it started from.")
    share: float = Field(description="Of the training set, asked for.", examples=[0.01])
    memorized: bool = Field(description="Whether it was drawn among the most memorized samples.")
    skewed: bool = Field(description="Whether it was drawn from one stratum.")
    samples: int = Field(description="How many there were.")
    memorized_share: float | None = Field(description="Share of them that were memorized.")
    stratum_share: float = Field(description="The largest share that a stratum lost.")
    method: str = Field(description="What unlearned them.", examples=["hamu"])
    verdict: str = Field(description="pass, escalate, inconclusive, diverged or impossible.")
    gaps: dict[str, float] | None = Field(
        description="Mean scores on the forgotten, retained and test samples, and the loss of the "
        "forgotten, less those of the retrained network."
    )
    seconds: dict[str, float | None] = Field(description="assess, retrain, unlearn and audit.")
    hardness: dict[str, Any] = Field(description="As measured before.")
    made_at: datetime = Field(description="When it ended.")

    @classmethod
    def of(cls, cell: CalibrationCell, version: int) -> Self:
        kind, outcome = calibrations.CELLS[cell.number], cell.outcome
        memorized = outcome["hardness"]["memorization"]
        return cls(
            number=cell.number,
            version=version,
            share=kind.share,
            memorized=kind.high,
            skewed=kind.skewed,
            memorized_share=memorized and memorized["share"],
            stratum_share=max(outcome["hardness"]["shares"]["strata"].values()),
            made_at=cell.made_at,
            **{
                name: outcome[name]
                for name in ("samples", "method", "verdict", "gaps", "seconds", "hardness")
            },
        )


class PrecedentRead(BaseModel):
    """What a trial tells of what a job costs; of jobs of its size it tells most."""

    share: float = Field(description="Of the training set, that was forgotten.", examples=[0.01])
    escalated: bool = Field(description="Whether the audit did not pass it.")
    unlearn: float | None = Field(
        description="What unlearning took, as a share of a retrain's time; null where it failed.",
        examples=[0.13],
    )


class Taught(BaseModel):
    """What decisions take from the last calibration that came to its end; null: the default."""

    job: UUID = Field(description="The calibration.")
    method: str = Field(description="Decisions for another method do not use it.")
    rule: str = Field(
        description="How its trials were aimed: at references, or at matched held-out samples. "
        "Jobs that are aimed otherwise do not use it.",
        examples=["reference"],
    )
    stratum_share: float | None = Field(description="Largest share of a stratum to unlearn.")
    memorized_share: float | None = Field(
        description="Largest share of memorized samples to unlearn without references."
    )
    exposed_share: float | None = Field(
        description="Largest share outside their band for nothing to be owed."
    )
    precedents: list[PrecedentRead] = Field(
        description="The trials that the decision would have unlearned."
    )
    made_at: datetime = Field(description="When it ended.")

    @classmethod
    def of(cls, row: Calibration) -> Self:
        return cls(job=row.job_id, method=row.method, made_at=row.made_at, **row.taught)


class CalibrationRead(BaseModel):
    """A model's calibration: what it would take, how far the newest is, what is in use."""

    plan: Plan = Field(description="What a calibration takes.")
    job: UUID | None = Field(description="The newest calibration, if there ever was one.")
    state: JobState | None = Field(description="How far that is.")
    cells: list[CellRead] = Field(description="Its trials, as far as they have been made.")
    taught: Taught | None = Field(description="What decisions use now; null: defaults alone.")


@router.post(
    "/{name}:calibrate",
    status_code=202,
    summary="Calibrate a model's decisions",
    response_model=JobRead,
    responses=refusals(
        UnknownModel,
        UnknownRecipe,
        WorkerAbsent,
        NoLiveVersion,
        Conflict,
        *repeats.REFUSALS,
        Malformed,
    ),
)
def calibrate(
    name: str,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Unlearn and retrain synthetic forget sets, large and small, memorized and not, skewed or not.

    They are drawn from the live version's training set; nobody is forgotten, nothing is published,
    and every network is destroyed. What it costs is in `GET /v1/models/{name}/calibration`. It is
    done one trial at a time when no other job is due, and goes on where it was stopped.
    """
    return queued_once(again, queue, settings, name, partial(calibrations.queue, session, now=now))


@router.get(
    "/{name}/calibration", summary="Read a model's calibration", responses=refusals(UnknownModel)
)
def read_calibration(name: str, session: SessionDep) -> CalibrationRead:
    """What a calibration costs, the trials of the newest one, and the thresholds in use."""
    line = model_lines.get(session, name)
    job, known = calibrations.latest(session, line.id), calibrations.known(session, line.id)
    return CalibrationRead(
        plan=plan(session, line),
        job=job and job.id,
        state=job and job.state,
        cells=[] if job is None else read_cells(session, line, job.id),
        taught=None if known is None else Taught.of(known),
    )


def plan(session: Session, line: Model) -> Plan:
    """Trials and their cost; in seconds where a training of the model was timed."""
    live = versions.live(session, line.id)
    timed = None if live is None else versions.last_training(session, live)["train_seconds"]
    retrains = calibrations.cost(Policy.of(line.policy))
    return Plan(
        trials=len(calibrations.CELLS),
        retrains=retrains,
        seconds=None if timed is None else timed * retrains,
    )


def read_cells(session: Session, line: Model, job_id: UUID) -> list[CellRead]:
    """The trials with the numbers of the versions that they started from."""
    numbers = {version.id: version.number for version in versions.listed(session, line)}
    return [
        CellRead.of(cell, numbers[cell.version_id]) for cell in calibrations.cells(session, job_id)
    ]
