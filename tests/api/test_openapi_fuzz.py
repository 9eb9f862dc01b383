"""Whatever the OpenAPI document allows, and much that it does not, is answered as documented."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.orm import Session

from app.config import Settings
from app.main import create_app
from tests import certificates
from tests.api.conftest import FakeQueue
from tests.factories import announce_worker, make_version

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 3  # of each operation; more find more, and take longer
UNUSED = Settings(database_url="postgresql+psycopg:///unused")
DOCUMENT = schemathesis.openapi.from_dict(create_app(UNUSED, FakeQueue()).openapi())
OPERATIONS = {
    found.ok().label: found.ok() for found in DOCUMENT.get_all_operations() if isinstance(found, Ok)
}


@schemathesis.serializer("application/x-ndjson", "application/octet-stream")
def as_it_is(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Bodies that the document calls strings are sent as such."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@pytest.fixture
def configured(configured: Settings, tmp_path: Path) -> Settings:
    """With the faces that are usually switched off."""
    return configured.model_copy(update={"drp": True, **certificates.write(tmp_path)})


@pytest.fixture
def served(app: FastAPI, session: Session) -> FastAPI:
    """The application, with something in it to be found."""
    make_version(session)
    announce_worker(session)
    return app


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_answers_as_documented(label: str, served: FastAPI) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy())
    def answers_as_documented(case: schemathesis.Case[Any]) -> None:
        case.validate_response(case.call(app=served), checks=CHECKS)

    answers_as_documented()
