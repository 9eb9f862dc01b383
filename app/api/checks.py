"""What checks against true retrains say of a model's published versions."""

from datetime import datetime
from typing import Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.deps import SessionDep
from app.api.problems import refusals
from app.errors import UnknownModel
from app.ledger import checks, model_lines
from app.ledger.check_tables import Check
from app.ledger.defect_rate import Rate
from app.ledger.policy import Policy
from app.ledger.tables import ModelVersion

router = APIRouter(prefix="/v1/models", tags=["models"])


class RateRead(BaseModel):
    """A share with its interval."""

    estimate: float = Field(description="Defective versions over checked ones.")
    low: float = Field(description="The share is lower than this with a chance of 5 % at most.")
    high: float = Field(description="The share is higher than this with a chance of 5 % at most.")

    @classmethod
    def of(cls, rate: Rate) -> Self:
        return cls(estimate=rate.estimate, low=rate.low, high=rate.high)


class CheckRead(BaseModel):
    """One version that the lot chose."""

    version: int = Field(description="The version.")
    job: UUID = Field(description="The job that checks it.")
    verdict: str | None = Field(
        description="pass, escalate (a defect) or inconclusive; null until the check has "
        "ended, and where it could not be made."
    )
    sentences: list[str] = Field(description="The verdict's reasons, in words.")
    ended_at: datetime | None = Field(description="When it ended.")

    @classmethod
    def of(cls, check: Check, version: ModelVersion) -> Self:
        return cls(
            version=version.number,
            job=check.job_id,
            verdict=check.verdict,
            sentences=check.outcome["sentences"] if check.outcome else [],
            ended_at=check.ended_at,
        )


class ChecksRead(BaseModel):
    """How often this model's approximate versions turn out to be defective."""

    share: float = Field(description="Of versions that are checked now, by the model's policy.")
    checked: int = Field(description="Versions of which a check could tell.")
    defects: int = Field(description="Those that an audit beside a retrain did not accept.")
    unsettled: int = Field(description="Versions of which a check could not tell; not counted.")
    rate: RateRead | None = Field(
        description="Defects over checked versions, with exact ends (Clopper and Pearson) at 95 % "
        "each; null before the first."
    )
    checks: list[CheckRead] = Field(description="Every check, in the order of versions.")


@router.get(
    "/{name}/checks",
    summary="Read how often a model's versions are defective",
    responses=refusals(UnknownModel),
)
def read_checks(name: str, session: SessionDep) -> ChecksRead:
    """What true retrains said of published versions that a lot chose (`oracle_share`).

    It speaks of the pipeline, and of no single person's samples.
    """
    line = model_lines.get(session, name)
    found = checks.standing(session, line.id)
    return ChecksRead(
        share=Policy.of(line.policy).oracle_share,
        checked=found.checked,
        defects=found.defects,
        unsettled=found.unsettled,
        rate=found.rate and RateRead.of(found.rate),
        checks=[CheckRead.of(*each) for each in checks.of_model(session, line.id)],
    )
