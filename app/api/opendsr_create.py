"""A request as OpenDSR 2.0 spells it (sections 5 and 7), and the submission that it means here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from app.api.faces import Opendsr
from app.api.problems import Malformed, fault_of
from app.api.submissions import EARLIEST, MOST_SAMPLES, DeletionRequestCreate
from app.egress import UrlNotAllowed
from app.errors import Fault, ServiceError, Unprocessable
from app.law import Law, Manner
from app.subjects import MAX_LENGTH

VERSION = r"^2(\.\d+)*$"
UUID4 = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
MOST_CALLBACKS = 10
EXAMPLE: JsonDict = {
    "regulation": "gdpr",
    "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
    "subject_request_type": "erasure",
    "subject_identities": [
        {
            "identity_type": "email",
            "identity_value": "ada@example.org",
            "identity_format": "raw",
        }
    ],
    "submitted_time": "2026-03-02T12:00:00Z",
}


class RequestType(StrEnum):
    """What a person may ask for (section 6.2). Networks are made to forget, and nothing else."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"


class IdentityFormat(StrEnum):
    """How an identity is written (section 5.2)."""

    RAW = "raw"
    SHA1 = "sha1"
    MD5 = "md5"
    SHA256 = "sha256"


class TypeNotSupported(Unprocessable):
    """This processor carries out no such kind of request."""

    code = "request_type_not_supported"


class IdentityNotSupported(Unprocessable):
    """This processor does not know people by such an identity."""

    code = "identity_not_supported"


class IdentityGiven(BaseModel):
    """Who asked."""

    model_config = ConfigDict(extra="forbid")

    identity_type: str = Field(
        max_length=100, description="One of those that discovery lists.", examples=["email"]
    )
    identity_value: str = Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="The person as the imports named them. Stored as a keyed hash only.",
    )
    identity_format: IdentityFormat = Field(
        description="`raw`: people are known here by hashes under a key of this service's own."
    )


class Extension(BaseModel):
    """Samples to forget, where a controller knows them; under this processor's domain."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(description="The dataset that the samples are of.")
    sample_ids: list[str] = Field(
        min_length=1,
        max_length=MOST_SAMPLES,
        description="Forget these samples only. With an identity, they must all be that person's.",
    )


class OpendsrCreate(BaseModel):
    """An OpenDSR 2.0 request."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    regulation: Law = Field(description="Under which law the person asked.")
    subject_request_id: str = Field(
        pattern=UUID4, description="The controller's own id for it: a UUIDv4 in lower case."
    )
    subject_request_type: RequestType = Field(description="Only `erasure` is carried out.")
    subject_identities: list[IdentityGiven] = Field(
        default=[], max_length=100, description="One; none where the extension names the samples."
    )
    submitted_time: AwareDatetime = Field(
        ge=EARLIEST, description="When the person asked; the legal period runs from then."
    )
    api_version: str | None = Field(
        None, pattern=VERSION, max_length=20, description="2, or a minor version of it."
    )
    status_callback_urls: list[Annotated[str, Field(max_length=2000)]] = Field(
        default=[],
        max_length=MOST_CALLBACKS,
        description="Told of each change of status; each one of LACUNA_OPENDSR_CALLBACKS.",
    )
    extensions: dict[str, Any] | None = Field(
        None, description="By processor's domain; those of other domains are not read."
    )


def meant(body: OpendsrCreate, face: Opendsr) -> DeletionRequestCreate:
    """What is submitted of a request, or the refusal of what cannot be."""
    if body.subject_request_type is not RequestType.ERASURE:
        raise TypeNotSupported(
            "only erasure is carried out here",
            Fault("/subject_request_type", "not_supported", "it is not erasure"),
        )
    for place, url in enumerate(body.status_callback_urls):
        if url not in face.callbacks:
            fault = Fault(f"/status_callback_urls/{place}", "not_allowed", "not on the list")
            raise UrlNotAllowed("an operator lists callbacks in LACUNA_OPENDSR_CALLBACKS", fault)
    subject = identified(body.subject_identities, face)
    samples = extension(body, face.identity.domain)
    if subject is None and samples is None:
        raise IdentityNotSupported(
            "name the person, or samples in the extension",
            Fault("/subject_identities", "missing", "it is empty, and there is no extension"),
        )
    return DeletionRequestCreate(
        subject=subject,
        dataset=samples.dataset if samples else None,
        sample_ids=samples.sample_ids if samples else None,
        external_id=body.subject_request_id,
        received_at=body.submitted_time,
        law=body.regulation,
        manner=Manner.API,
    )


def identified(given: list[IdentityGiven], face: Opendsr) -> str | None:
    """The person as the imports name them; refused where that is not what was sent."""
    if not given:
        return None
    if len(given) > 1:
        raise IdentityNotSupported(
            "one request names one identity; send a request for each",
            Fault("/subject_identities/1", "too_many", "the second identity"),
        )
    (only,) = given
    if only.identity_type not in face.identity_types:
        raise IdentityNotSupported(
            f"people are known here by {', '.join(sorted(face.identity_types))}",
            Fault("/subject_identities/0/identity_type", "not_supported", "not in discovery"),
        )
    if only.identity_format is not IdentityFormat.RAW:
        raise IdentityNotSupported(
            "nobody can be found by a digest: people are known here by hashes under a secret key",
            Fault("/subject_identities/0/identity_format", "not_supported", "it is not raw"),
        )
    return only.identity_value


def extension(body: OpendsrCreate, domain: str) -> Extension | None:
    """What is said to this processor alone."""
    said = (body.extensions or {}).get(domain)
    if said is None:
        return None
    try:
        return Extension.model_validate(said)
    except ValidationError as error:
        faults = [fault_of({**found, "loc": ("body", *found["loc"])}) for found in error.errors()]
        moved = [replace(each, pointer=under(domain) + each.pointer) for each in faults]
        raise Malformed("the extension for this processor has another form", *moved) from error


def under(domain: str) -> str:
    return f"/extensions/{domain}"


@contextmanager
def in_its_words(domain: str) -> Iterator[None]:
    """Have refusals point at the places of an OpenDSR body that they are about."""
    places = {
        "/received_at": "/submitted_time",
        "/external_id": "/subject_request_id",
        "/subject": "/subject_identities/0/identity_value",
        "/sample_ids": f"{under(domain)}/sample_ids",
    }
    try:
        yield
    except ServiceError as refusal:
        refusal.faults = tuple(moved(fault, places) for fault in refusal.faults)
        raise


def moved(fault: Fault, places: dict[str, str]) -> Fault:
    for ours, theirs in places.items():
        if fault.pointer == ours or fault.pointer.startswith(f"{ours}/"):
            return replace(fault, pointer=theirs + fault.pointer.removeprefix(ours))
    return fault


def fingerprint(body: OpendsrCreate, said: DeletionRequestCreate, key: bytes | None) -> Any:
    """What two bodies are told apart by; of the person only the keyed hash."""
    told = said.model_dump(mode="json") | {"subject": key and key.hex()}
    return told | {"callbacks": sorted(set(body.status_callback_urls))}
