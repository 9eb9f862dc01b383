"""For what is polled: an ETag, a 304 when nothing changed, and when to ask again."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.api import etags

POLL_SECONDS = 2
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It is still what `If-None-Match` names."}
}


def polled(request: Request, body: BaseModel, *, final: bool) -> Response:
    """The row as JSON, or 304; a row that may still change says when to ask again."""
    headers = {"ETag": etags.etag(body), "Cache-Control": "no-cache"}
    if not final:
        headers["Retry-After"] = str(POLL_SECONDS)
    if etags.known(request.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body.model_dump_json(), media_type=JSONResponse.media_type, headers=headers)
