"""Receipts over HTTP, checked with app.evidence alone and against the schema in docs/."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.bitmap import Bitmap
from app.evidence import receipt, sample_sets
from app.evidence.canonical import digest
from app.evidence.errors import VerificationFailed
from app.evidence.receipt import Verified
from app.evidence.sample_sets import Named
from app.ledger import batching, publishing, requests
from app.ledger.log_tables import LedgerEntry, LedgerPayload, SampleCommitment
from app.ledger.states import JobState
from app.ledger.tables import DeletionRequest, Job
from app.ledger.transitions import move
from tests import factories
from tests.api.conftest import Call
from tests.factories import NOW
from tests.ledger.signing import BOTH, RENEWED, SIGNER, append, sequence
from tests.reports import stages

SCHEMA = Path(__file__).parents[2] / "docs" / "receipt-predicate.schema.json"


@cache
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def verified(content: bytes, **wanted: Any) -> Verified:
    """The receipt, checked by its keys, with a predicate that the schema allows."""
    found = receipt.verify(content, log_keys=SIGNER.verifier_keys, **wanted)
    validator().validate(json.loads(found.payload)["predicate"])
    return found


def fetched(http: TestClient, request_id: UUID, **query: str) -> bytes:
    response = http.get(f"/v1/deletion-requests/{request_id}/receipt", params=query)
    assert response.status_code == 200, response.text
    return response.content


def the_request(session: Session) -> DeletionRequest:
    (request_id,) = session.scalars(select(DeletionRequest.id))
    return requests.get(session, request_id)


@pytest.fixture
def job(session: Session) -> Job:
    """An unlearning job that was published, on measured networks, and the ledger signed."""
    done = stages.succeeded(session)
    sequence(session)
    return done


def test_an_accepted_request_has_a_receipt(http: TestClient, session: Session) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    sequence(session)

    found = verified(fetched(http, request.id), request_id=str(request.id))

    said = found.statement.predicate
    assert found.entry.kind == "receipt.accepted"
    assert (said["event"], said["requests"]) == ("accepted", [str(request.id)])
    assert said["models"] == [{"model": "faces", "samples": 2}]
    assert said["forget_set"]["count"] == 2
    assert found.statement.subjects == {"forget-set": said["forget_set"]["sha256"]}
    assert (said["accepted_at"], said["due_at"]) == (
        NOW.isoformat(),
        request.due_at.isoformat(),
    )


def test_a_completed_request_has_a_receipt_about_the_new_weights(
    http: TestClient, session: Session, job: Job
) -> None:
    request = the_request(session)

    found = verified(fetched(http, request.id), weights_digest=stages.DIGEST)

    (outcome,) = found.statement.predicate["outcomes"]
    assert found.statement.subjects == {"faces-2.safetensors": stages.DIGEST}
    assert (outcome["outcome"], outcome["version"]["number"]) == ("forgotten", 2)
    assert [old["number"] for old in outcome["withdrawn"]] == [1]
    done = outcome["job"]
    assert done["id"] == str(job.id)
    assert done["decision"]["route"] == done["method"] == "hamu"
    assert done["parent"]["weights_sha256"] == outcome["withdrawn"][0]["weights_sha256"]
    assert done["seed"] == job.seed
    assert done["configuration_sha256"] == digest(done["configuration"]).hex()
    assert done["audit"]["verdict"] == "pass"
    assert done["audit"]["numbers"]["loss.detectable"] > 0
    assert done["audit"]["destroyed"] == [stages.DIGEST]
    auc = done["audit"]["attacks"][0]["auc"]
    assert auc["low"] <= auc["estimate"] <= auc["high"]


def test_both_receipts_of_a_request_can_be_had_at_any_time(
    http: TestClient, session: Session, job: Job
) -> None:
    request = the_request(session)

    first = verified(fetched(http, request.id, of="accepted"))
    second = verified(fetched(http, request.id, of="completed"))

    assert first.statement.predicate["forget_set"] == second.statement.predicate["forget_set"]
    assert first.index < second.index
    before = fetched(http, request.id)
    append(session, 3)
    sequence(session)
    assert fetched(http, request.id) == before


def test_a_receipt_names_no_person_and_no_sample(
    http: TestClient, session: Session, job: Job
) -> None:
    request = the_request(session)

    payloads = [
        verified(fetched(http, request.id, of=stage)).payload.decode()
        for stage in ("accepted", "completed")
    ]

    key = factories.key_of("ada").hex()
    for payload in payloads:
        assert not re.search(rf"\bada\b|ada-\d|{key}|external", payload)


def test_the_commitment_is_to_the_samples_of_the_request_in_their_order(session: Session) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")

    kept = session.get_one(SampleCommitment, request.id)

    named = [Named("faces", "ada-0"), Named("faces", "ada-1")]
    assert sample_sets.commit(kept.key, named).root == kept.root
    assert sample_sets.commit(kept.key, named[::-1]).root != kept.root


def test_a_request_that_no_model_had_seen_is_completed_at_once(
    http: TestClient, session: Session
) -> None:
    factories.make_dataset(session)
    request = factories.make_request(session, "ada")
    sequence(session)

    found = verified(fetched(http, request.id))

    assert found.entry.kind == "receipt.completed"
    assert found.statement.predicate["outcomes"] == []
    assert list(found.statement.subjects) == ["forget-set"]


def test_a_request_without_any_sample_has_a_receipt_too(http: TestClient, session: Session) -> None:
    request = factories.make_request(session, "nobody")
    sequence(session)

    assert verified(fetched(http, request.id)).statement.predicate["forget_set"]["count"] == 0


def test_what_the_live_version_had_not_seen_is_told_as_cleared(
    http: TestClient, session: Session
) -> None:
    line = factories.make_model(session)
    factories.make_version(session, line)
    factories.make_version(session, line, training_set=Bitmap([8, 9]))
    request = factories.make_request(session, "ada")
    batching.batch(session, line.id, now=NOW, flush=True)
    sequence(session)

    (outcome,) = verified(fetched(http, request.id)).statement.predicate["outcomes"]

    assert (outcome["outcome"], outcome["job"]) == ("cleared", None)
    assert outcome["version"]["number"] == 2
    assert [old["number"] for old in outcome["withdrawn"]] == [1]


def test_a_request_to_several_models_is_stated_once_with_all_their_outcomes(
    http: TestClient, session: Session
) -> None:
    dataset = factories.make_dataset(session)
    lines = [factories.make_model(session, dataset, name) for name in ("one", "two")]
    for line in lines:
        factories.make_version(session, line)
    request = factories.make_request(session, "ada")
    for line in lines:
        job = batching.batch(session, line.id, now=NOW, flush=True)
        assert job is not None
        finish(session, job)
    sequence(session)

    found = verified(fetched(http, request.id))

    assert sorted(found.statement.subjects) == ["one-2.safetensors", "two-2.safetensors"]
    jobs = [outcome["job"]["id"] for outcome in found.statement.predicate["outcomes"]]
    assert len(set(jobs)) == 2


def finish(session: Session, job: Job) -> None:
    """Retrained and published without an audit, and with a number that JSON has as an integer."""
    job.decision = {"route": "retrain", "reasons": [], "numbers": {"big": 1e17}, "thresholds": {}}
    for state in (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model", "decision"])
    publishing.publish_unlearned(
        session,
        job,
        route="retrain",
        weights_digest=factories.digest_of(""),
        manifest={},
        now=NOW,
    )


def test_until_the_clerk_has_signed_it_a_receipt_is_not_ready(
    http: TestClient, session: Session
) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    path = f"/v1/deletion-requests/{request.id}/receipt"

    early = http.get(path)

    assert (early.status_code, early.headers["retry-after"]) == (409, "2")
    assert early.json()["code"] == "receipt_not_ready"
    sequence(session)
    assert http.get(path).status_code == 200
    assert http.get(path, params={"of": "completed"}).json()["code"] == "receipt_not_ready"


def test_a_request_that_was_taken_back_is_never_completed(refused: Call, session: Session) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    requests.cancel(session, request.id, now=NOW, reason="withdrawn")

    refused("GET", f"/v1/deletion-requests/{request.id}/receipt?of=completed", 404, "no_receipt")


def test_a_denial_has_a_receipt_that_says_why(http: TestClient, session: Session) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    path = f"/v1/deletion-requests/{request.id}"
    http.post(f"{path}:deny", json={"reasons": ["no_match"], "notice": "letter 8"})
    sequence(session)

    found = verified(fetched(http, request.id), request_id=str(request.id))

    assert found.entry.kind == "receipt.denied"
    assert found.payload == verified(fetched(http, request.id, of="denied")).payload
    assert found.statement.predicate["reasons"] == ["no_match"]
    assert found.statement.predicate["denied_at"] == NOW.isoformat()
    assert http.get(f"{path}/receipt", params={"of": "completed"}).json()["code"] == "no_receipt"


def test_what_was_shredded_is_gone_for_good(refused: Call, session: Session, job: Job) -> None:
    request = the_request(session)
    session.execute(delete(LedgerPayload))

    refused("GET", f"/v1/deletion-requests/{request.id}/receipt", 410, "receipt_shredded")


def test_an_unknown_request_has_no_receipt(refused: Call) -> None:
    refused("GET", f"/v1/deletion-requests/{uuid4()}/receipt", 404, "unknown_request")
    refused("GET", f"/v1/deletion-requests/{uuid4()}/receipt?of=refused", 422, "malformed")


def test_a_receipt_that_is_known_already_is_not_sent_again(
    http: TestClient, session: Session, job: Job
) -> None:
    path = f"/v1/deletion-requests/{the_request(session).id}/receipt"

    etag = http.get(path).headers["etag"]

    assert http.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_a_receipt_from_a_time_of_two_keys_verifies_with_either(
    http: TestClient, session: Session
) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    sequence(session, BOTH)

    content = fetched(http, request.id)

    for keys in (SIGNER.verifier_keys, RENEWED.verifier_keys):
        assert receipt.verify(content, log_keys=keys).index >= 0


def test_the_receipt_of_one_request_does_not_answer_another(
    http: TestClient, session: Session
) -> None:
    factories.make_version(session)
    one, other = (factories.make_request(session, person) for person in ("ada", "ben"))
    sequence(session)

    with pytest.raises(VerificationFailed, match="about other requests"):
        verified(fetched(http, one.id), request_id=str(other.id))


def test_facts_and_their_statements_are_written_together(session: Session) -> None:
    line = factories.make_model(session)
    factories.make_version(session, line)
    since = session.begin_nested()
    factories.make_request(session, "ada")

    since.rollback()

    kinds = session.scalars(select(LedgerEntry.kind)).all()
    assert not any(kind.startswith("receipt.") for kind in kinds)
