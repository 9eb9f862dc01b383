"""Weights that a model's jobs have stored and not published: as much personal data as a version."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.deps import SessionDep
from app.api.problems import Malformed, refusals
from app.errors import UnknownModel, UnknownSamples
from app.ledger import lineage, model_lines
from app.ledger.lineage import Saw, Unpublished

router = APIRouter(prefix="/v1/models/{name}/stored-weights", tags=["versions"])


class StoredWeightsRead(BaseModel):
    """What a job has put into the store and no version has."""

    weights_digest: str = Field(description="SHA-256 of the safetensors file.")
    job_id: UUID = Field(description="The job that made it.")
    made_by: str = Field(description="trained, or an unlearning route.", examples=["hamu"])
    training_set_size: int = Field(description="Samples that it has seen and not forgotten.")
    stored_at: datetime = Field(description="When it was stored.")
    released_at: datetime | None = Field(
        description="Since when nobody needs it: the clerk removes it within seconds of that. Null "
        "while its job is under way."
    )
    saw: Saw = Field(
        description="How it has to do with the sample: trained on it, or made to forget it, "
        "starting from weights that had seen it."
    )

    @classmethod
    def of(cls, found: Unpublished) -> Self:
        weights = found.weights
        derived = {"training_set_size": len(weights.training_set), "saw": found.saw}
        plain = cls.model_fields.keys() - derived.keys()
        return cls(**{name: getattr(weights, name) for name in plain}, **derived)


@router.get(
    "",
    summary="List stored weights that are no version's",
    responses=refusals(UnknownModel, UnknownSamples, Malformed),
)
def list_stored_weights(
    name: str,
    session: SessionDep,
    saw_sample: Annotated[str, Query(description="Those that have to do with this sample.")],
) -> list[StoredWeightsRead]:
    """Weights of jobs under way, and of ended ones until the clerk has removed them."""
    line = model_lines.get(session, name)
    found = lineage.of_sample(session, line, saw_sample)
    return [StoredWeightsRead.of(each) for each in found.unpublished]
