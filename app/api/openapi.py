"""The OpenAPI description: refusals are the problem documents that they are, paths explained."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.api import scopes
from app.api.guard import OnlyFromHere
from app.api.problems import PROBLEM, Malformed, Problem, refusals
from app.auth import BadApiKey, MissingScope, NotThisRequest, Unauthorized
from app.ledger.rates import RateLimited
from app.webhook_signing import NoPepper

# What a name in a path means, whichever route it stands in.
IN_PATHS = {
    "name": "The name under which it was registered.",
    "number": "The version's number within its model: 1, 2, 3, …",
    "job_id": "The job's id.",
    "request_id": "The deletion request's id.",
    "webhook_id": "The webhook's id.",
    "delivery_id": "The delivery's id, from the webhook's log.",
    "consumer": "The consumer's name within the model.",
    "derived_id": "The derived version's id.",
    "key_id": "The API key's id.",
    "subject_request_id": "The controller's own id for the request.",
    "code": "One of the codes listed at /problems.",
}
GUARDED = (
    *(Unauthorized, BadApiKey, MissingScope, NotThisRequest, OnlyFromHere),
    *(RateLimited, NoPepper),
)
SCHEMAS = "#/components/schemas/{model}"
ANY_OTHER = {
    "description": "A refusal that is not listed here; /problems explains every code.",
    "content": PROBLEM,
}


def install(app: FastAPI) -> None:
    """Have the application describe itself so."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            with_keys(schema)
            with_problems(schema)
            with_paths_explained(schema)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it


def with_keys(schema: dict[str, Any]) -> None:
    """Say which scope each operation asks for, and how it refuses those who lack it."""
    schema["components"]["securitySchemes"] = {
        "api_key": {
            "type": "http",
            "scheme": "bearer",
            "description": "`lac_…`, made by `lacuna api-keys create`. Needed where LACUNA_AUTH "
            "is `required`; `api_key` names the scope that a route asks for.",
        }
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            route = f"{method.upper()} {path}"
            if route in scopes.UNGUARDED:
                continue
            needed = [] if route in scopes.PUBLIC else [str(scopes.OF_ROUTE[route])]
            operation["security"] = [{"api_key": needed}, {}] if needed else [{}]
            for status, told in refusals(*GUARDED).items():
                add_refusal(operation["responses"], str(status), told)


def add_refusal(responses: dict[str, Any], status: str, told: dict[str, Any]) -> None:
    """Document a refusal beside those of the same status that the route has of its own."""
    known = responses.get(status)
    if known is None:
        responses[status] = told
    elif told["description"] not in known["description"]:
        responses[status] = known | {"description": f"{known['description']} {told['description']}"}


def with_problems(schema: dict[str, Any]) -> None:
    """Add the schema of a problem, and put it in the place of FastAPI's own 422."""
    _, definitions = models_json_schema([(Problem, "serialization")], ref_template=SCHEMAS)
    schemas = schema["components"]["schemas"]
    schemas |= definitions["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in schema["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                responses["422"] = refusals(Malformed)[422]
            responses["default"] = ANY_OTHER


def with_paths_explained(schema: dict[str, Any]) -> None:
    """Describe the parameters in paths that their routes leave undescribed."""
    for path in schema["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in IN_PATHS:
                    parameter.setdefault("description", IN_PATHS[parameter["name"]])
