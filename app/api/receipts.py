"""Receipts of deletion requests: files that anyone can check without this service."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.api import etags
from app.api.deps import SessionDep
from app.api.problems import Malformed, refusals
from app.errors import NoReceipt, ReceiptNotReady, ReceiptShredded, UnknownRequest
from app.evidence.receipt import FORMAT
from app.ledger import receipts, requests
from app.ledger.receipts import Stage

router = APIRouter(prefix="/v1/deletion-requests", tags=["deletion requests"])

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It is still the one that `If-None-Match` names."}
}


class ReceiptRead(BaseModel):
    """A signed statement and the proof that the ledger holds it; docs/receipts.md has its form."""

    format: str = Field(description="The form of the file.", examples=[FORMAT])
    envelope: dict[str, Any] = Field(description="A DSSE envelope around an in-toto statement.")
    proof: str = Field(description="A C2SP tlog-proof, with a signed checkpoint of the ledger.")


@router.get(
    "/{request_id}/receipt",
    summary="Fetch a request's receipt",
    response_model=ReceiptRead,
    responses=UNCHANGED
    | refusals(UnknownRequest, NoReceipt, ReceiptNotReady, ReceiptShredded, Malformed),
)
def read_receipt(
    request_id: UUID,
    session: SessionDep,
    http: Request,
    of: Annotated[
        Stage | None, Query(description="Of what; without it, the newest there is.")
    ] = None,
    witnessed: Annotated[
        bool,
        Query(description="Under a checkpoint that a witness has cosigned; 409 until one is."),
    ] = False,
) -> Response:
    """That a request was accepted, or what it came to. Keep it: `lacuna verify` needs no server.

    409 with `Retry-After` until the ledger has signed it, which takes about a second.
    """
    request = requests.get(session, request_id)
    content = receipts.read(session, request, of, witnessed=witnessed)
    headers = {"ETag": etags.of_bytes(content), "Cache-Control": "no-cache"}
    if etags.known(http.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=JSONResponse.media_type, headers=headers)
