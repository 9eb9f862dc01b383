"""A person's token: reads that person's deletion request, its report and its receipt."""

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api import deletion_requests
from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.problems import Malformed, refusals
from app.api.repeats import KeyNotTaken, refuse_key
from app.errors import BodyTooLarge, UnknownRequest
from app.ledger import api_keys, requests
from app.webhook_signing import NoPepper, pepper_of

router = APIRouter(prefix=deletion_requests.router.prefix, tags=list(deletion_requests.router.tags))


class TokenCreate(BaseModel):
    """How long a person may look."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(90, ge=1, le=730, description="The token is valid for so long.")


USUAL = TokenCreate()


class TokenRead(BaseModel):
    """A token, shown this once."""

    id: UUID = Field(description="Its id, for DELETE /v1/api-keys/{key_id}.")
    token: str = Field(description="To be sent as `Authorization: Bearer …`.")
    expires_at: datetime = Field(description="When it ends.")


@router.post(
    "/{request_id}:token",
    status_code=201,
    dependencies=[Depends(refuse_key)],
    summary="Make a token for the person who asked",
    responses=refusals(UnknownRequest, NoPepper, KeyNotTaken, Malformed, BodyTooLarge),
)
def create_token(
    request_id: UUID,
    session: SessionDep,
    settings: SettingsDep,
    now: NowDep,
    body: TokenCreate = USUAL,
) -> TokenRead:
    """Give the person a key to this one request, its report and its receipt, and nothing else."""
    request = requests.get(session, request_id)
    ends = now + timedelta(days=body.days)
    key, text = api_keys.create(
        session,
        "person",
        scopes=(),
        request_id=request.id,
        pepper=pepper_of(settings),
        expires_at=ends,
        now=now,
    )
    return TokenRead(id=key.id, token=text, expires_at=ends)
