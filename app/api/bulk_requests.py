"""Many deletion requests in one upload: all of them or none."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from app.api import deletion_requests, repeats
from app.api.bulk_lines import BadLines, TooManyLines
from app.api.bulk_upload import Upload
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep, SpooledDep, ValidateOnly
from app.api.guard import CallerDep, QuotaDep
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.auth import MissingScope
from app.errors import BadLine, BodyTooLarge, NameTaken, UnsupportedMediaType
from app.ledger.idempotency import Answer
from app.ledger.rates import QuotaSpent
from app.queue import CONSIDER_MODEL, ring_after_commit

router = APIRouter(tags=list(deletion_requests.router.tags))
EXAMPLES: dict[str, Any] = {
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "example": '{"subject": "ada@example.org", "external_id": "T-1"}\n',
    },
    "text/csv": {
        "schema": {"type": "string"},
        "example": "subject,external_id,received_at\nada@example.org,T-1,2026-03-02T12:00:00Z\n",
    },
}


class BulkRead(BaseModel):
    """What became of an upload."""

    submitted: int = Field(description="Deletion requests that were made; 0 if only checked.")
    checked: int = Field(description="Lines that were found in order.", examples=[100_000])
    samples: int = Field(description="Samples that they were resolved to, together.")
    models: list[str] = Field(description="Models that have to forget.")


CHECKED: dict[int | str, dict[str, Any]] = {
    200: {"model": BulkRead, "description": "With `validate_only`: all lines are in order."}
}


@router.post(
    f"{deletion_requests.router.prefix}:bulk",
    status_code=202,
    summary="Submit many deletion requests",
    response_model=BulkRead,
    responses=CHECKED
    | refusals(
        BadLines,
        BadLine,
        TooManyLines,
        UnsupportedMediaType,
        NameTaken,
        QuotaSpent,
        MissingScope,
        *repeats.REFUSALS,
        Malformed,
        BodyTooLarge,
    ),
    openapi_extra={"requestBody": {"required": True, "content": EXAMPLES}},
)
def submit_in_bulk(
    file: SpooledDep,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    caller: CallerDep,
    quota: QuotaDep,
    again: RepeatsDep,
    now: NowDep,
    validate_only: ValidateOnly = False,
    content_type: Annotated[str, Header(description="application/x-ndjson or text/csv")] = "",
) -> Response:
    """Submit a request per line of NDJSON or CSV, each as `POST /v1/deletion-requests` takes it.

    All lines or none: if any is wrong, the refusal lists what is wrong with which line. In CSV the
    first line names the columns, and sample ids stand in one field, separated by blanks.
    """

    def produce() -> Answer:
        upload = Upload(session, settings, caller, now)
        upload.read(file, content_type)
        counted = 0 if validate_only else upload.report.lines
        quota.look(counted)
        made = upload.submit()
        models = {
            erasure.model_id: erasure.model.name for each in made for erasure in each.erasures
        }
        if not validate_only:
            for model_id in models:
                ring_after_commit(session, queue, CONSIDER_MODEL, model_id)
        told = BulkRead(
            submitted=0 if validate_only else len(made),
            checked=upload.report.lines,
            samples=sum(each.sample_count for each in made),
            models=sorted(models.values()),
        )
        quota.spend(counted)
        return 202, told.model_dump(mode="json")

    pepper = settings.pepper.get_secret_value()
    return again.of_lines(file, content_type, pepper, produce, validate_only=validate_only)
