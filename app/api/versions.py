"""Model versions: list them, upload one that was trained elsewhere, download weights."""

from base64 import b64encode
from datetime import datetime
from typing import IO, Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.api import (
    etags,
    fingerprints,
    repeats,
    training_sets,
    uploaded_weights,
    weights_header,
)
from app.api.deps import NowDep, SessionDep, SettingsDep, StoreDep
from app.api.derived import DerivedRead
from app.api.polling import UNCHANGED
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.bitmap import Bitmap
from app.errors import (
    BadLine,
    BadWeights,
    BodyTooLarge,
    Conflict,
    DuplicateSamples,
    EmptyTrainingSet,
    ForgottenSamples,
    Gone,
    UnknownModel,
    UnknownRecipe,
    UnknownSamples,
    UnknownVersion,
    WeightsDoNotFit,
    WorkerAbsent,
)
from app.ledger import announcements, lineage, model_lines, publishing, versions
from app.ledger.idempotency import Answer
from app.ledger.known_weights import ForgottenWeights, TrainingSetDiffers
from app.ledger.lineage import Saw, Seen
from app.ledger.reasons import WithdrawalReason
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion
from app.store import Store

router = APIRouter(prefix="/v1/models/{name}/versions", tags=["versions"])
BINARY = {"type": "string", "format": "binary"}
WEIGHTS_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The safetensors file.",
        "content": {"application/octet-stream": {"schema": BINARY}},
    }
}


class VersionRead(BaseModel):
    """An immutable model version."""

    id: UUID = Field(description="Its id.")
    number: int = Field(description="1, 2, 3, … within its model.", examples=[2])
    state: VersionState = Field(description="Whether it may be used.")
    made_by: str = Field(
        description="trained, uploaded, or an unlearning route.", examples=["hamu"]
    )
    parent_id: UUID | None = Field(description="The version it was made from.")
    job_id: UUID | None = Field(description="The job that made it.")
    weights_digest: str = Field(description="SHA-256 of its safetensors file.")
    training_set_size: int = Field(description="Samples that it has seen and not forgotten.")
    training_set_digest: str = Field(
        description="SHA-256 of the ascending ordinals of its training set, 4 bytes each."
    )
    manifest: dict[str, Any] = Field(description="How it was made: recipe, seed, code, hardware.")
    created_at: datetime = Field(description="When it was published.")
    withdrawn_at: datetime | None = Field(description="When it was withdrawn.")
    successor_id: UUID | None = Field(description="What to use instead of a withdrawn version.")
    withdrawal_reason: WithdrawalReason | None = Field(description="Why it was withdrawn.")
    saw: Saw | None = Field(
        None,
        description="Asked with `saw_sample`: trained on it, or made to forget it, starting from "
        "weights that had seen it.",
    )
    aliases: list[str] | None = Field(
        None, description="Asked with `saw_sample`: the names that lead to it."
    )
    references: int | None = Field(
        None,
        description="Asked with `saw_sample`: how many of its references still tell of the sample.",
    )
    logged: bool | None = Field(
        None,
        description="Asked with `saw_sample`: whether what its training noted of it is still kept.",
    )
    canary: bool | None = Field(
        None,
        description="Asked with `saw_sample`: whether it is of a canary of the training that made "
        "this version.",
    )
    derived: list[DerivedRead] | None = Field(
        None, description="Asked with `saw_sample`: what others derived from it."
    )

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        counted = {"training_set_size": len(version.training_set)}
        told_of_a_sample = {"saw", "aliases", "references", "logged", "canary", "derived"}
        plain = cls.model_fields.keys() - counted.keys() - told_of_a_sample
        return cls(**{name: getattr(version, name) for name in plain}, **counted)

    @classmethod
    def seen(cls, seen: Seen) -> Self:
        """A version, and how it has to do with the sample that was asked for."""
        told = {
            "saw": seen.saw,
            "aliases": seen.aliases,
            "references": seen.references,
            "logged": seen.logged,
            "canary": seen.canary,
            "derived": [DerivedRead.of(child) for child in seen.derived],
        }
        return cls.of(seen.version).model_copy(update=told)


@router.get(
    "", summary="List versions", responses=refusals(UnknownModel, UnknownSamples, Malformed)
)
def list_versions(
    name: str,
    session: SessionDep,
    saw_sample: Annotated[
        str | None, Query(description="Only those that have to do with this sample.")
    ] = None,
    dataset: Annotated[
        str | None, Query(description="The sample's dataset; default: the model's.")
    ] = None,
) -> list[VersionRead]:
    """All versions of a model, oldest first, withdrawn and purged ones too.

    `GET /v1/jobs?model=…&saw_sample=…` tells which active jobs hold a sample, with whatever their
    loops have left on a worker's disk to go on from, and
    `GET /v1/models/{name}/stored-weights?saw_sample=…` which weights of jobs have seen it.
    """
    line = model_lines.get(session, name)
    if saw_sample is None:
        return [VersionRead.of(version) for version in versions.listed(session, line)]
    if dataset not in (None, line.dataset.name):
        return []  # a model sees samples of its own dataset only
    return [VersionRead.seen(seen) for seen in lineage.of_sample(session, line, saw_sample).seen]


@router.get("/{number}", summary="Read a version", responses=refusals(UnknownModel, UnknownVersion))
def read_version(name: str, number: int, session: SessionDep) -> VersionRead:
    """One version."""
    return VersionRead.of(versions.get(session, model_lines.get(session, name), number))


@router.post(
    "",
    status_code=201,
    summary="Upload a version",
    response_model=VersionRead,
    responses=refusals(
        UnknownModel,
        UnknownRecipe,
        WorkerAbsent,
        BadWeights,
        WeightsDoNotFit,
        BadLine,
        UnknownSamples,
        DuplicateSamples,
        EmptyTrainingSet,
        ForgottenSamples,
        ForgottenWeights,
        TrainingSetDiffers,
        Conflict,
        *repeats.REFUSALS,
        Malformed,
        BodyTooLarge,
    ),
)
def upload_version(
    name: str,
    weights: Annotated[UploadFile, File(description="A safetensors file.")],
    training_set: Annotated[
        UploadFile, File(description="The ids of all samples it was trained on, one per line.")
    ],
    session: SessionDep,
    store: StoreDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Register weights that were trained elsewhere, with the samples they were trained on.

    The tensors' names, types and shapes must be those of the recipe's network. Nothing is
    unpickled, and nothing is converted.

    Weights that are known already are known by their digest: they are refused under any training
    set if they saw a sample which was forgotten since, and under any other than they came with.
    """
    digest = fingerprints.plain(weights.file)
    listed = fingerprints.keyed(training_set.file, settings.pepper.get_secret_value())

    def produce() -> Answer:
        line = model_lines.get(session, name)
        publishing.refuse_while_active(session, line)  # before anything is stored
        announced = announcements.recipe(
            session, line.recipe, now=now, gone_seconds=settings.worker_gone_seconds
        )
        weights_header.refuse_misfits(weights.file, announced["parameters"])
        ordinals = training_sets.read(session, line.dataset, training_set.file)
        version = publish(session, store, line, weights.file, digest, ordinals, now=now)
        return 201, VersionRead.of(version).model_dump(mode="json")

    return again.once({"weights": digest, "training_set": listed}, produce)


def publish(
    session: Session,
    store: Store,
    line: Model,
    weights: IO[bytes],
    digest: str,
    training_set: Bitmap,
    *,
    now: datetime,
) -> ModelVersion:
    """Make a version of weights that fit; they are stored only if it is not refused."""
    publishing.refuse_forgotten(session, line.dataset_id, training_set)  # what saw them is not kept
    with uploaded_weights.stored(session, store, weights, digest):
        return publishing.publish_uploaded(
            session,
            line,
            training_set=training_set,
            weights_digest=digest,
            manifest={"recipe": line.recipe},
            now=now,
        )


@router.get(
    "/{number}/weights",
    summary="Download weights",
    responses=WEIGHTS_FILE | UNCHANGED | refusals(UnknownModel, UnknownVersion, Gone),
    response_class=StreamingResponse,
)
def download_weights(
    name: str, number: int, session: SessionDep, store: StoreDep, http: Request
) -> Response:
    """The weights of a published version; 410 with the live one's number once it is withdrawn.

    Their ETag is their digest: `If-None-Match` spares the download to whoever has them.
    """
    digest = versions.in_use(session, model_lines.get(session, name), number).weights_digest
    # A copy may be kept, but only this service knows whether the version was withdrawn meanwhile.
    headers = {"ETag": f'"{digest}"', "Cache-Control": "no-cache"}
    if etags.known(http.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return StreamingResponse(
        store.chunks(digest),
        media_type="application/octet-stream",
        headers=headers
        | {
            "Content-Length": str(store.size(digest)),
            "Content-Disposition": f'attachment; filename="{name}-{number}.safetensors"',
            "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(digest)).decode()}:",
        },
    )
