"""Signatures of weights for the public client `model_signing`, and the keys that check them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from app.api import etags
from app.api.deps import SessionDep
from app.api.polling import UNCHANGED
from app.api.problems import Malformed, refusals
from app.errors import Gone, NoCheckpoint, UnknownModel, UnknownVersion
from app.evidence.model_signature import BUNDLE_TYPE
from app.ledger import model_keys, model_lines, signatures, versions
from app.signature_errors import SignatureNotReady, UnknownKey

router = APIRouter(prefix="/v1")
BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A Sigstore bundle (v0.3).",
        "content": {BUNDLE_TYPE: {"schema": {"type": "object"}}},
    }
}
Hint = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of a key's PEM, as bundles name it; without it, the newest key.",
    ),
]


@router.get(
    "/models/{name}/versions/{number}/weights.sig",
    tags=["versions"],
    summary="Download the signature of weights",
    response_class=Response,
    responses=BUNDLE
    | UNCHANGED
    | refusals(UnknownModel, UnknownVersion, UnknownKey, SignatureNotReady, Gone, Malformed),
)
def download_signature(
    name: str, number: int, session: SessionDep, http: Request, key: Hint = None
) -> Response:
    """The bundle of a published version; `model_signing verify key` takes it as it is.

    409 with `Retry-After` until the clerk has signed, which takes about a second; 410 with the live
    one's number once the version is withdrawn.
    """
    version = versions.in_use(session, model_lines.get(session, name), number)
    content = signatures.read(session, version, key)
    headers = {"ETag": etags.of_bytes(content), "Cache-Control": "no-cache"}
    if etags.known(http.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{name}-{number}.sig"'
    return Response(content, media_type=BUNDLE_TYPE, headers=headers)


@router.get(
    "/ledger/model-key",
    tags=["ledger"],
    summary="Read the public key that signs weights",
    response_class=PlainTextResponse,
    responses=refusals(NoCheckpoint, UnknownKey, Malformed),
)
def read_model_key(session: SessionDep, key: Hint = None) -> Response:
    """As PEM, the way `model_signing verify key --public_key` takes it.

    Get it once from somebody you trust, and keep it: a key that comes with the signature it is to
    check proves nothing.
    """
    pems = model_keys.known(session)
    if not pems:
        raise NoCheckpoint("no key signs weights here yet; is the clerk running?")
    hint = key or next(iter(pems))
    if hint not in pems:
        raise UnknownKey("no key of that name has signed weights here")
    return PlainTextResponse(pems[hint], headers={"Cache-Control": "no-cache"})
