"""A model's policy as callers give, change and read it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

# Bounds, so that no sum of a date and a policy leaves the calendar.
Seconds = Annotated[float, Field(ge=0, le=10 * 365 * 86_400.0)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]


class PolicyFields(BaseModel):
    """When a model's erasures are batched, how they are carried out, and who must approve."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    max_wait_seconds: Seconds = Field(
        300.0, description="The oldest pending erasure waits at most so long."
    )
    max_samples: Positive = Field(10_000, description="So many samples are a batch at once.")
    min_subjects: Positive = Field(
        1, description="Wait for so many requests; a due date comes first all the same."
    )
    due_margin_seconds: Seconds = Field(
        86_400.0,
        description="End so long before the earliest due date, by what the last jobs took; "
        "start so long before it while fewer than three were measured.",
    )
    route: Literal["auto", "hamu", "nabla_tau", "rum", "retrain"] = Field(
        "auto",
        description="`auto` decides by measured hardness and cost; else always this route. `rum` "
        "is for classifiers, and for three samples or more: what it cannot take is retrained.",
    )
    restart: Literal["parent", "exact"] = Field(
        "parent",
        description="Which weights a job starts from: those in use, or those of the last exact "
        "version, from which it forgets all that was forgotten since. The latter needs the "
        "recipe to have these samples still, and the weights not to be purged yet.",
    )
    approval: bool = Field(False, description="A person must approve each decision.")
    on_inconclusive: Literal["retrain", "approve"] = Field(
        "retrain", description="What follows an audit that could not tell: retrain, or a person."
    )
    reference_seconds: Seconds = Field(
        600.0,
        description="Audits compare with a retrained reference if training one takes no longer.",
    )
    max_rounds: Count = Field(
        20, description="Approximate rounds since the last exact version; then retrain."
    )
    max_forgotten_share: float = Field(
        0.2, ge=0, le=1, description="Share forgotten since the last exact version; then retrain."
    )
    canary_share: float = Field(
        0.005,
        ge=0,
        le=0.5,
        description="Of the samples, the most whose people are in or out of the training set by a "
        "coin, so that audits can be tested; half of them are left out. 0: none.",
    )
    oracle_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Of versions that were not retrained, the share that is held against a true "
        "retrain after publication, by lot and when nothing else is due: it tells how often the "
        "method fails. 0: none.",
    )
    purge_after_seconds: Seconds = Field(
        604_800.0, description="Weights of withdrawn versions are kept so long."
    )


def without_defaults(schema: JsonDict) -> None:
    """What is left out of a change stays as it is; clients must not fill in defaults."""
    fields = schema["properties"]
    assert isinstance(fields, dict)
    for facts in fields.values():
        assert isinstance(facts, dict)
        facts.pop("default", None)


class PolicyChange(PolicyFields):
    """The fields of a policy that change; the others stay as they are."""

    model_config = ConfigDict(json_schema_extra=without_defaults)
