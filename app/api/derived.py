"""Versions derived elsewhere: register one, see which owe a confirmation, note that it came."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api import repeats
from app.api.deps import NowDep, SessionDep
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.errors import IllegalTransition, NameTaken, UnknownModel, UnknownVersion
from app.ledger import derived, model_lines, versions
from app.ledger.derived import Child, UnknownDerived
from app.ledger.idempotency import Answer
from app.ledger.states import Derivation, DerivedState

router = APIRouter(prefix="/v1", tags=["derived versions"])
OF_A_VERSION = "/models/{name}/versions/{number}/derived"
SHA256 = r"^[0-9a-f]{64}$"


class DerivedCreate(BaseModel):
    """What the owner of a derived version tells of it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=200, description="What its owner calls it.", examples=["acme-ft-3"]
    )
    location: str = Field(
        min_length=1,
        max_length=2000,
        description="Where it lies: a URL, a registry's path, a product.",
        examples=["https://models.acme.example/ft-3"],
    )
    how: Derivation = Field(description="How it was derived.")
    contact: str = Field(
        min_length=1,
        max_length=500,
        description="Whom to tell of a withdrawal: an organisation or office, no private person.",
        examples=["privacy@acme.example"],
    )
    weights_digest: str | None = Field(
        None, pattern=SHA256, description="SHA-256 of its weights, in hex, if it is known."
    )


class DerivedRead(BaseModel):
    """A version that somebody derived from one of ours."""

    id: UUID = Field(description="Its id.")
    model: str = Field(description="The model of which it is a descendant.", examples=["fashion"])
    version: int = Field(description="The version it was derived from.", examples=[2])
    name: str = Field(description="What its owner calls it.", examples=["acme-ft-3"])
    location: str = Field(description="Where it lies.")
    how: Derivation = Field(description="How it was derived.")
    contact: str = Field(description="Whom to tell of a withdrawal.")
    weights_digest: str | None = Field(description="SHA-256 of its weights, if it is known.")
    state: DerivedState = Field(
        description="`withdrawn`: its parent was, and its owner has not confirmed that it is out "
        "of use."
    )
    registered_at: datetime = Field(description="When we came to know of it.")
    withdrawn_at: datetime | None = Field(description="When it was withdrawn with its parent.")
    confirmed_at: datetime | None = Field(description="When its owner's confirmation was noted.")
    notice: str | None = Field(description="Where that confirmation lies.")

    @classmethod
    def of(cls, child: Child) -> Self:
        where = {"model": child.line.name, "version": child.parent.number}
        plain = cls.model_fields.keys() - where.keys()
        return cls(**{name: getattr(child.row, name) for name in plain}, **where)


class Confirmation(BaseModel):
    """How an owner said that a derived version is out of use."""

    model_config = ConfigDict(extra="forbid")

    notice: str = Field(
        min_length=1,
        max_length=500,
        description="Where their word lies, such as a letter's number; name no person in it.",
        examples=["letter 2026-31"],
    )


@router.post(
    OF_A_VERSION,
    status_code=201,
    summary="Register a version derived elsewhere",
    response_model=DerivedRead,
    responses=refusals(UnknownModel, UnknownVersion, NameTaken, *repeats.REFUSALS, Malformed),
)
def register_derived(
    name: str,
    number: int,
    body: DerivedCreate,
    session: SessionDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """From now on, whatever this version saw, requests and reports count its child too.

    Of a version that was withdrawn already, the child is withdrawn at once. What was made from
    several versions, as by a merge, is registered once under each.
    """
    line = model_lines.get(session, name)
    version = versions.get(session, line, number)
    told = derived.Registration(**body.model_dump())

    def produce() -> Answer:
        made = DerivedRead.of(derived.register(session, line, version, told, now=now))
        return 201, made.model_dump(mode="json")

    return again.once(body.model_dump(mode="json"), produce)


@router.get(
    OF_A_VERSION,
    summary="List what was derived from a version",
    responses=refusals(UnknownModel, UnknownVersion),
)
def list_derived_of_a_version(name: str, number: int, session: SessionDep) -> list[DerivedRead]:
    """The children of one version that are not in our hands, oldest first."""
    version = versions.get(session, model_lines.get(session, name), number)
    return [DerivedRead.of(child) for child in derived.listed(session, version_id=version.id)]


@router.get(
    "/derived-versions",
    summary="List versions derived elsewhere",
    responses=refusals(Malformed),
)
def list_derived(
    session: SessionDep,
    state: Annotated[
        DerivedState | None,
        Query(description="Only those in this state; `withdrawn` ones owe a confirmation."),
    ] = None,
) -> list[DerivedRead]:
    """Of all models, oldest first."""
    return [DerivedRead.of(child) for child in derived.listed(session, state=state)]


@router.post(
    "/derived-versions/{derived_id}:confirm-withdrawn",
    summary="Note that a derived version is out of use",
    responses=refusals(UnknownDerived, IllegalTransition, Malformed),
)
def confirm_withdrawn(
    derived_id: UUID, body: Confirmation, session: SessionDep, now: NowDep
) -> DerivedRead:
    """Its owner's word, not a check of ours; also before its parent is withdrawn."""
    return DerivedRead.of(derived.confirm(session, derived_id, notice=body.notice, now=now))
