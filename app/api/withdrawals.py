"""The signed list of withdrawn versions, for whoever uses weights of this service."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.api import etags
from app.api.deps import SessionDep
from app.api.polling import UNCHANGED
from app.api.problems import refusals
from app.errors import NoCheckpoint
from app.evidence.statement import PAYLOAD_TYPE
from app.ledger import withdrawals

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])


class WithdrawalsRead(BaseModel):
    """A DSSE envelope around an in-toto statement; docs/receipts.md has its form."""

    payload: str = Field(description="The statement, in base64.")
    payloadType: str = Field(description="How to read it.", examples=[PAYLOAD_TYPE])  # noqa: N815, DSSE's own spelling
    signatures: list[dict[str, Any]] = Field(description="Who signed: `keyid` and `sig`.")


@router.get(
    "/withdrawals",
    summary="Fetch the list of withdrawn versions",
    response_model=WithdrawalsRead,
    responses=UNCHANGED | refusals(NoCheckpoint),
)
def read_withdrawals(session: SessionDep, http: Request) -> Response:
    """Every version that may not be used any more, why, and what took its place.

    `lacuna withdrawals` checks it offline. It is signed anew when it changes, and once a day: poll
    it with `If-None-Match`.
    """
    content = withdrawals.read(session).envelope
    headers = {"ETag": etags.of_bytes(content), "Cache-Control": "no-cache"}
    if etags.known(http.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=JSONResponse.media_type, headers=headers)
