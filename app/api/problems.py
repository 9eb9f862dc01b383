"""Refusals as RFC 9457 problem documents, with stable codes and a page for each."""

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException

from app.errors import (
    BodyTooLarge,
    Crashed,
    Fault,
    NotFound,
    ServiceError,
    Unavailable,
    all_kinds,
)

log = structlog.get_logger()
RETRY_SECONDS = 1
MEDIA_TYPE = "application/problem+json"
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
router = APIRouter(tags=["problems"])


class FaultRead(BaseModel):
    """One place in the body that is wrong."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the body; in imports, the line.")
    code: str = Field(description="What is wrong with it; stable.")
    detail: str = Field(description="The same in words. Never repeats the value.")


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str = Field(
        description="Where the code is explained.", examples=["/problems/unknown_model"]
    )
    title: str = Field(description="The kind of problem.", examples=["No model goes by that name."])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(description="Stable, never reused.", examples=["unknown_model"])
    detail: str = Field(description="What happened and what to do about it.")
    errors: list[FaultRead] = Field(default=[], description="The places that are wrong.")


def refusals(*kinds: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the refusals it may give, by status."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "description": " ".join(f"`{kind.code}`: {title(kind)}" for kind in group),
            "content": PROBLEM,
        }
        for status, group in by_status.items()
    }


def title(kind: type[ServiceError]) -> str:
    """The first line of a refusal's docstring."""
    return (kind.__doc__ or "").splitlines()[0]


def document(
    kind: type[ServiceError],
    detail: str,
    faults: tuple[Fault, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that says no."""
    problem = Problem(
        type=f"/problems/{kind.code}",
        title=title(kind),
        status=kind.status,
        code=kind.code,
        detail=detail,
        errors=[FaultRead(**vars(fault)) for fault in faults],
    )
    return JSONResponse(
        problem.model_dump(), status_code=kind.status, headers=headers, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Answer every refusal and every malformed body with a problem document."""

    @app.exception_handler(ServiceError)
    def refused(_: Request, error: ServiceError) -> JSONResponse:
        told = {"Retry-After": error.retry_seconds, "WWW-Authenticate": error.challenge}
        headers = {name: str(value) for name, value in told.items() if value is not None}
        return document(type(error), error.detail, error.faults, headers)

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = tuple(fault_of(place) for place in error.errors())
        return document(Malformed, "The request does not have the form described in /docs.", faults)

    @app.exception_handler(HTTPException)
    def plain(_: Request, error: HTTPException) -> JSONResponse:
        return document(
            PLAIN.get(error.status_code, Malformed), str(error.detail), headers=error.headers
        )

    @app.exception_handler(DataError)
    def unstorable(_: Request, error: DataError) -> JSONResponse:
        return document(Malformed, "A value is out of range, or holds the character NUL.")

    @app.exception_handler(OperationalError)
    @app.exception_handler(TimeoutError)
    def unavailable(_: Request, error: OperationalError | TimeoutError) -> JSONResponse:
        log.warning("database_unavailable", kind=type(error).__name__)
        again = {"Retry-After": str(RETRY_SECONDS)}
        return document(Unavailable, "The database could not do it now; repeat it.", headers=again)

    @app.exception_handler(Exception)
    def crashed(_: Request, error: Exception) -> JSONResponse:
        return document(Crashed, "The service failed; its log says where.")


def fault_of(place: dict[str, Any]) -> Fault:
    """One of pydantic's findings; its input is left out, it may name a person."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in place["loc"][1:]]
    return Fault("/" + "/".join(steps) if steps else "", place["type"], place["msg"])


class Malformed(ServiceError):
    """The request does not have the expected form."""

    status = 422
    code = "malformed"


class NoSuchPath(NotFound):
    """There is nothing at this path."""

    code = "no_such_path"


class NoSuchMethod(ServiceError):
    """This path does not take that method."""

    status = 405
    code = "no_such_method"


PLAIN = {404: NoSuchPath, 405: NoSuchMethod, 413: BodyTooLarge}


class ProblemPage(BaseModel):
    """What a problem code means."""

    code: str = Field(description="The code.")
    status: int = Field(description="The HTTP status that goes with it.")
    title: str = Field(description="What it means.")


@router.get("/problems", summary="All problem codes")
def list_problems() -> list[ProblemPage]:
    """Every code that this service may answer with."""
    return [
        ProblemPage(code=kind.code, status=kind.status, title=title(kind))
        for kind in sorted(all_kinds(), key=lambda kind: kind.code)
    ]


@router.get("/problems/{code}", summary="One problem code", responses=refusals(NoSuchPath))
def read_problem(code: str) -> ProblemPage:
    """What a code means; the `type` of each problem document points here."""
    for page in list_problems():
        if page.code == code:
            return page
    raise NoSuchPath(f"there is no problem code {code!r}; /problems lists them all")
