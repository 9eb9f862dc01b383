"""API keys over HTTP: made by whoever may, shown once, rotated, revoked."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.guard import DAY, Caller, CallerDep
from app.api.names import OnceEach
from app.api.problems import Malformed, refusals
from app.api.repeats import KeyNotTaken, refuse_key
from app.auth import ApiKeyEnded, MissingScope, Scope, UnknownApiKey
from app.errors import BodyTooLarge
from app.ledger import api_keys
from app.webhook_signing import NoPepper, pepper_of

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])


class ApiKeyCreate(BaseModel):
    """A key for a caller."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=100, description="Whose it is, for the list.", examples=["crm"]
    )
    scopes: Annotated[list[Scope], OnceEach] = Field(
        min_length=1, description="What it may do; nothing that the key in use may not."
    )
    expires_in_days: int | None = Field(
        None, ge=1, le=3650, description="It ends by itself after so long; default: never."
    )


class RotateKey(BaseModel):
    """How to change a key."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        DAY, ge=0, le=30 * DAY, description="So long the old key is valid still; 0 if it leaked."
    )


USUAL_ROTATION = RotateKey()


class ApiKeyRead(BaseModel):
    """A key, without what makes it one."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="Its id.")
    name: str = Field(description="Whose it is.")
    prefix: str = Field(description="How it begins.", examples=["lac_0123456789ab"])
    scopes: list[Scope] = Field(description="What it may do.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends by itself.")
    revoked_at: datetime | None = Field(description="When it was revoked.")
    last_used_at: datetime | None = Field(description="The hour in which it was used last.")


class ApiKeyWithSecret(ApiKeyRead):
    """A key with its text, which is shown this once."""

    key: str = Field(description="To be sent as `Authorization: Bearer …`. Nothing shows it again.")


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(refuse_key)],
    summary="Make an API key",
    responses=refusals(MissingScope, NoPepper, KeyNotTaken, Malformed, BodyTooLarge),
)
def create_api_key(
    body: ApiKeyCreate, session: SessionDep, settings: SettingsDep, caller: CallerDep, now: NowDep
) -> ApiKeyWithSecret:
    """Make a key for another caller. It is in this answer only, and stored as a keyed hash.

    So no answer can be repeated, and an `Idempotency-Key` is refused.
    """
    refuse_more(caller, body.scopes)
    lasts = body.expires_in_days
    key, text = api_keys.create(
        session,
        body.name,
        scopes=body.scopes,
        pepper=pepper_of(settings),
        expires_at=None if lasts is None else now + timedelta(days=lasts),
        now=now,
    )
    return ApiKeyWithSecret(**ApiKeyRead.model_validate(key).model_dump(), key=text)


@router.get("", summary="List API keys")
def list_api_keys(session: SessionDep) -> list[ApiKeyRead]:
    """All keys, oldest first, also those that have ended. Persons' tokens are left out."""
    return [ApiKeyRead.model_validate(key) for key in api_keys.listed(session)]


@router.post(
    "/{key_id}:rotate",
    status_code=201,
    dependencies=[Depends(refuse_key)],
    summary="Rotate an API key",
    responses=refusals(
        UnknownApiKey, ApiKeyEnded, MissingScope, NoPepper, KeyNotTaken, Malformed, BodyTooLarge
    ),
)
def rotate_api_key(
    key_id: UUID,
    session: SessionDep,
    settings: SettingsDep,
    caller: CallerDep,
    now: NowDep,
    body: RotateKey = USUAL_ROTATION,
) -> ApiKeyWithSecret:
    """Make another key that may do the same; the old one ends after an overlap."""
    old = api_keys.get(session, key_id, lock=True)
    refuse_more(caller, map(Scope, old.scopes))
    overlap = timedelta(seconds=body.overlap_seconds)
    key, text = api_keys.rotate(session, old, overlap=overlap, pepper=pepper_of(settings), now=now)
    return ApiKeyWithSecret(**ApiKeyRead.model_validate(key).model_dump(), key=text)


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses=refusals(UnknownApiKey, ApiKeyEnded, Malformed),
)
def revoke_api_key(key_id: UUID, session: SessionDep, now: NowDep) -> None:
    """Let a key, or a person's token, open nothing from now on. It stays in the list."""
    api_keys.revoke(session, api_keys.get(session, key_id, lock=True), now=now)


def refuse_more(caller: Caller, scopes: Iterable[Scope]) -> None:
    """Nobody gives away what they do not have."""
    if more := sorted(set(scopes) - caller.scopes):
        raise MissingScope(f"your own key lacks {', '.join(more)}, so it cannot give that away")
