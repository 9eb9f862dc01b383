"""The list of withdrawn versions over HTTP, against the schema in docs/."""

import json
from pathlib import Path

import jsonschema
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.evidence import withdrawals as evidence
from app.evidence.strict import from_base64
from app.ledger import batching, versions, withdrawals
from tests import factories
from tests.api.conftest import Call
from tests.factories import DAY, NOW
from tests.ledger.signing import SIGNER, sequence
from tests.naming import names

PATH = "/v1/ledger/withdrawals"
SCHEMA = Path(__file__).parents[2] / "docs" / "withdrawals-predicate.schema.json"


def turn(session: Session) -> None:
    """The clerk's next turn."""
    sequence(session)
    withdrawals.sign(session, SIGNER, now=NOW)


def withdraw_and_purge(session: Session) -> None:
    """Two versions that were withdrawn, the first of which was purged, and one in use."""
    line = factories.make_model(session)
    first = factories.make_version(session, line)
    for person in ("ada", "ben"):
        factories.make_request(session, person)
        job = batching.batch(session, line.id, now=NOW, flush=True)
        assert job is not None
        factories.run_through(session, job)
    versions.purge(session, first, now=NOW + 8 * DAY)
    turn(session)


def test_the_list_is_served_in_the_form_of_its_schema(http: TestClient, session: Session) -> None:
    withdraw_and_purge(session)
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    response = http.get(PATH)

    assert response.headers["content-type"] == "application/json"
    listed = evidence.verify(response.content, SIGNER.verifier_keys)
    assert [each.version.number for each in listed.withdrawn] == [1, 2]
    told = json.loads(from_base64(response.json()["payload"]))
    jsonschema.validate(told["predicate"], schema, format_checker=jsonschema.FormatChecker())


def test_the_list_names_no_person_and_no_sample(http: TestClient, session: Session) -> None:
    withdraw_and_purge(session)

    payload = from_base64(http.get(PATH).json()["payload"]).decode()

    assert not names(payload, "ada")
    assert factories.key_of("ada").hex() not in payload


def test_a_list_that_is_known_already_is_sent_again_only_once_it_changes(
    http: TestClient, session: Session
) -> None:
    factories.make_version(session)
    turn(session)
    etag = http.get(PATH).headers["etag"]
    known = {"If-None-Match": etag}

    same = http.get(PATH, headers=known)

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    factories.make_request(session, "ada")
    turn(session)
    assert http.get(PATH, headers=known).status_code == 304
    withdrawn(session)
    assert http.get(PATH, headers=known).status_code == 200


def withdrawn(session: Session) -> None:
    """The first version is withdrawn, and the clerk has had its turn."""
    (model_id,) = batching.models_with_pending(session, now=NOW + DAY)
    job = batching.batch(session, model_id, now=NOW, flush=True)
    assert job is not None
    factories.run_through(session, job)
    turn(session)


def test_before_the_first_turn_of_the_clerk_there_is_no_list(refused: Call) -> None:
    refused("GET", PATH, 404, "no_checkpoint")
