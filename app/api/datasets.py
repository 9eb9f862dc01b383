"""Datasets and the import of their samples."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api import import_formats, repeats
from app.api.deps import NowDep, SessionDep, SettingsDep, SpooledDep, ValidateOnly
from app.api.names import Name
from app.api.parquet_rows import PARQUET, ParquetNotInstalled
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.errors import (
    BadLine,
    BodyTooLarge,
    NameTaken,
    SubjectDiffers,
    UnknownDataset,
    UnsupportedMediaType,
)
from app.ledger import datasets, imports
from app.ledger.idempotency import Answer
from app.ledger.tables import Dataset

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


class DatasetCreate(BaseModel):
    """A dataset to register; samples are imported afterwards."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class DatasetRead(BaseModel):
    """A registered dataset."""

    name: str = Field(description="Its name.", examples=["fashion"])
    size: int = Field(description="Samples in it.", examples=[6000])
    subjects: int = Field(description="Different subjects that they belong to.", examples=[300])
    created_at: datetime = Field(description="When it was registered.")

    @classmethod
    def of(cls, dataset: Dataset, *, subjects: int) -> Self:
        return cls(
            name=dataset.name,
            size=dataset.size,
            subjects=subjects,
            created_at=dataset.created_at,
        )


class ImportRead(BaseModel):
    """What an import did."""

    new: int = Field(description="Samples that were not known before.", examples=[6000])
    known: int = Field(description="Lines that said nothing new.", examples=[0])
    forgotten: int = Field(
        description="Of those, lines that name a sample which was forgotten: it stays forgotten, "
        "and no training set may hold it.",
        examples=[0],
    )
    size: int = Field(description="Samples in the dataset now.", examples=[6000])


@router.post(
    "",
    status_code=201,
    summary="Register a dataset",
    response_model=DatasetRead,
    responses=refusals(NameTaken, *repeats.REFUSALS, Malformed, BodyTooLarge),
)
def create_dataset(
    body: DatasetCreate, session: SessionDep, again: RepeatsDep, now: NowDep
) -> Response:
    """Register a dataset: a growing index of samples and the subjects they belong to."""

    def produce() -> Answer:
        made = DatasetRead.of(datasets.create(session, body.name, now=now), subjects=0)
        return 201, made.model_dump(mode="json")

    return again.once(body.model_dump(mode="json"), produce)


@router.get("", summary="List datasets")
def list_datasets(session: SessionDep) -> list[DatasetRead]:
    """All datasets by name."""
    found = datasets.listed(session)
    subjects = datasets.subject_counts(session, *(dataset.id for dataset in found))
    return [DatasetRead.of(dataset, subjects=subjects.get(dataset.id, 0)) for dataset in found]


@router.get("/{name}", summary="Read a dataset", responses=refusals(UnknownDataset))
def read_dataset(name: str, session: SessionDep) -> DatasetRead:
    """How large a dataset is."""
    dataset = datasets.get(session, name)
    subjects = datasets.subject_counts(session, dataset.id)
    return DatasetRead.of(dataset, subjects=subjects.get(dataset.id, 0))


@router.post(
    "/{name}/samples",
    summary="Import samples",
    response_model=ImportRead,
    responses=refusals(
        UnknownDataset,
        SubjectDiffers,
        BadLine,
        UnsupportedMediaType,
        ParquetNotInstalled,
        *repeats.REFUSALS,
        Malformed,
        BodyTooLarge,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"sample_id": "img-1", "subject": "ada@example.org"}\n',
                },
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "sample_id,subject\nimg-1,ada@example.org\n",
                },
                PARQUET: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
def import_samples(
    name: str,
    file: SpooledDep,
    session: SessionDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
    validate_only: ValidateOnly = False,
    content_type: Annotated[
        str, Header(description=f"application/x-ndjson, text/csv or {PARQUET}")
    ] = "",
) -> Response:
    """Add samples, streamed as NDJSON, CSV or Parquet; all lines or none.

    Subjects are replaced by keyed hashes before anything is stored. Lines that are known already
    change nothing, so an import may be repeated; a sample that is another subject's is refused.
    A sample that was forgotten does not come back by being imported again.
    """
    pepper = settings.pepper.get_secret_value()

    def produce() -> Answer:
        dataset = datasets.get(session, name)
        rows = import_formats.rows(file, content_type, pepper)
        done = imports.import_samples(session, dataset, rows, now=now)
        return 200, ImportRead(**asdict(done), size=dataset.size).model_dump(mode="json")

    return again.of_lines(file, content_type, pepper, produce, validate_only=validate_only)
