"""For what is polled: an ETag, a 304 when nothing changed, and when to ask again."""

import hashlib

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

POLL_SECONDS = 2


def polled(request: Request, body: BaseModel, *, final: bool) -> Response:
    """The row as JSON, or 304; a row that may still change says when to ask again."""
    content = body.model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if not final:
        headers["Retry-After"] = str(POLL_SECONDS)
    if etag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=JSONResponse.media_type, headers=headers)
