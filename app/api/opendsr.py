"""OpenDSR 2.0: deletion requests as other systems send them, answered under a certificate.

It leads to the same intake as `POST /v1/deletion-requests`, past the same guard, quota,
verification and idempotency.
"""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.api import opendsr_create, submissions
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.faces import FaceNotConfigured, Opendsr, OpendsrDep
from app.api.guard import CallerDep, QuotaDep
from app.api.opendsr_create import IdentityNotSupported, OpendsrCreate, TypeNotSupported
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.egress import UrlNotAllowed
from app.errors import (
    IllegalTransition,
    UnknownRequest,
)
from app.ledger import messages, opendsr
from app.ledger.idempotency import Answer
from app.ledger.opendsr import VERSION, Status

router = APIRouter(prefix="/opendsr/v2", tags=["OpenDSR"])
CERTIFICATE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-pem-file": {"schema": {"type": "string"}}}}
}


class IdentitySupported(BaseModel):
    """A kind of identity by which people are known here."""

    identity_type: str = Field(description="Its type.", examples=["email"])
    identity_format: str = Field(description="`raw`.", examples=["raw"])


class Discovery(BaseModel):
    """What this processor speaks."""

    api_version: str = Field(description="The version of OpenDSR.", examples=[VERSION])
    supported_identities: list[IdentitySupported] = Field(description="Whom it can be asked about.")
    supported_subject_request_types: list[str] = Field(description="`erasure`.")
    processor_certificate: str = Field(description="Where what verifies its signatures lies.")


class OpendsrRead(BaseModel):
    """That a request was received."""

    controller_id: str = Field(description="Who sent it, as this processor knows them.")
    expected_completion_time: datetime = Field(description="By when it must be answered.")
    received_time: datetime = Field(description="When it was received here.")
    encoded_request: str = Field(description="The request, in base64. Kept nowhere; do not either.")
    subject_request_id: UUID = Field(description="The controller's id for it.")


class StatusRead(BaseModel):
    """How a request stands."""

    controller_id: str = Field(description="Who sent it, as this processor knows them.")
    expected_completion_time: datetime = Field(description="By when it must be answered.")
    subject_request_id: UUID = Field(description="The controller's id for it.")
    request_status: Status = Field(description="How it stands; a refused one is `cancelled`.")
    api_version: str = Field(description="The version of OpenDSR.", examples=[VERSION])
    extensions: dict[str, dict[str, str]] | None = Field(
        None, description="At its end, under this processor's domain: the `outcome`, as /v1 says."
    )


class CancellationRead(BaseModel):
    """That a request was taken back."""

    controller_id: str = Field(description="Who sent it, as this processor knows them.")
    subject_request_id: UUID = Field(description="The controller's id for it.")
    received_time: datetime = Field(description="When that was received here.")
    api_version: str = Field(description="The version of OpenDSR.", examples=[VERSION])


# Each of these stands at the path of OpenDSR 2.0 and at that of its first version.
SUBMIT: dict[str, Any] = {
    "status_code": 201,
    "summary": "Submit a request",
    "response_model": OpendsrRead,
    "responses": refusals(
        FaceNotConfigured,
        TypeNotSupported,
        IdentityNotSupported,
        UrlNotAllowed,
        *submissions.REFUSALS,
    ),
}
READ: dict[str, Any] = {
    "summary": "Read a request's status",
    "response_model": StatusRead,
    "responses": refusals(FaceNotConfigured, UnknownRequest, Malformed),
}
CANCEL: dict[str, Any] = {
    "status_code": 202,
    "summary": "Take a request back",
    "response_model": CancellationRead,
    "responses": refusals(FaceNotConfigured, UnknownRequest, IllegalTransition, Malformed),
}


async def get_raw(http: Request) -> bytes:
    return await http.body()


@router.get(
    "/discovery",
    summary="What this processor speaks",
    response_model=Discovery,
    responses=refusals(FaceNotConfigured),
)
def discover(face: OpendsrDep) -> Response:
    """Which requests, about whom, and where the certificate lies."""
    identities = [
        {"identity_type": each, "identity_format": "raw"} for each in sorted(face.identity_types)
    ]
    told = {
        "api_version": VERSION,
        "supported_identities": identities,
        "supported_subject_request_types": [opendsr_create.RequestType.ERASURE.value],
        "processor_certificate": f"https://{face.identity.domain}{router.prefix}/certificate",
    }
    return signed(face, told)


@router.get(
    "/certificate",
    summary="The certificate that verifies signatures",
    response_class=Response,
    responses=CERTIFICATE | refusals(FaceNotConfigured),
)
def read_certificate(face: OpendsrDep) -> Response:
    """As PEM, followed by those of its issuers."""
    return Response(face.identity.certificates, media_type="application/x-pem-file")


@router.post("/requests", **SUBMIT)
@router.post("/opengdpr_requests", deprecated=True, **SUBMIT)
def submit_opendsr_request(
    face: OpendsrDep,
    body: OpendsrCreate,
    raw: Annotated[bytes, Depends(get_raw)],
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    caller: CallerDep,
    quota: QuotaDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Accept an erasure. Its `subject_request_id` is its Idempotency-Key, if it brings no other."""
    said = opendsr_create.meant(body, face)

    def produce() -> Answer:
        request, _ = submissions.submit(session, said, settings, caller, now=now)
        submissions.ring(session, queue, request)
        kept = opendsr.keep(
            session,
            request,
            UUID(body.subject_request_id),
            controller_id=str(caller.holder or "local"),
            domain=face.identity.domain,
            callbacks=body.status_callback_urls,
            now=now,
        )
        quota.spend(1)
        return 201, {
            "controller_id": kept.controller_id,
            "expected_completion_time": messages.spelled(request.due_at),
            "received_time": messages.spelled(now),
            "subject_request_id": body.subject_request_id,
        }

    with opendsr_create.in_its_words(face.identity.domain):
        key = submissions.hashed(said.subject, settings)
        once = replace(again, key=again.key or body.subject_request_id)
        status, told = once.answer(opendsr_create.fingerprint(body, said, key), produce)
    # It names the person, so it is not among what is kept with the key.
    encoded = {"encoded_request": b64encode(raw).decode()}
    return signed(face, told | encoded, status=status)


@router.get("/requests/{subject_request_id}", **READ)
@router.get("/status/{subject_request_id}", **READ)
@router.get("/opengdpr_requests/{subject_request_id}", deprecated=True, **READ)
def read_opendsr_status(
    face: OpendsrDep, subject_request_id: UUID, session: SessionDep
) -> Response:
    """How a request stands that came in over OpenDSR; until it is shredded."""
    kept = opendsr.get(session, subject_request_id)
    return signed(face, opendsr.status(kept, kept.request, kept.request.state))


@router.delete("/requests/{subject_request_id}", **CANCEL)
@router.delete("/opengdpr_requests/{subject_request_id}", deprecated=True, **CANCEL)
def cancel_opendsr_request(
    face: OpendsrDep, subject_request_id: UUID, session: SessionDep, now: NowDep
) -> Response:
    """Take a request back while it is `pending`; 409 afterwards."""
    kept = opendsr.get(session, subject_request_id)
    opendsr.cancel(session, kept, now=now)
    told = {
        "controller_id": kept.controller_id,
        "subject_request_id": str(kept.subject_request_id),
        "received_time": messages.spelled(now),
        "api_version": VERSION,
    }
    return signed(face, told, status=202)


def signed(face: Opendsr, told: dict[str, Any], *, status: int = 200) -> Response:
    """An answer, with the signature over the very bytes that are sent."""
    body = json.dumps(told).encode()
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers=face.identity.headers(body),
    )
