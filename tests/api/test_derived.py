"""Versions derived elsewhere, over HTTP: known, withdrawn with their parent, never overlooked."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.bitmap import Bitmap
from app.cli.verify import summary
from app.ledger import batching, datasets, model_lines
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.tables import ModelVersion
from tests.api.conftest import Call, Clock
from tests.api.test_receipts import fetched, verified
from tests.factories import DAY, NOW, claim, make_model, make_request, make_version
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.reading import read_page

OF_FIRST = "/v1/models/faces/versions/1/derived"
ALL = "/v1/derived-versions"
ACME: dict[str, Any] = {
    "name": "acme-ft-3",
    "location": "https://models.acme.example/ft-3",
    "how": "fine_tune",
    "contact": "privacy@acme.example",
}
PUBLISHED = NOW + timedelta(seconds=6)  # when a job looks at the clock for the sixth time
LETTER = {"notice": "letter 2026-31"}


@pytest.fixture(autouse=True)
def first(session: Session) -> ModelVersion:
    return make_version(session, make_model(session, route="retrain"))


def forget(session: Session, version: ModelVersion, *people: str) -> UUID:
    """Carry out a request, at once; its id."""
    request = make_request(session, *people)
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    claim(session, job)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", "publish", route="retrain")
    session.expire_all()
    return request.id


def test_a_child_is_registered_and_listed(post: Call, get: Call) -> None:
    made = post(OF_FIRST, **ACME, weights_digest="ab" * 32)

    assert (made["model"], made["version"], made["state"]) == ("faces", 1, "in_use")
    assert made["withdrawn_at"] is made["confirmed_at"] is None
    assert get(OF_FIRST) == get(ALL) == get(ALL, state="in_use") == [made]
    assert get(ALL, state="withdrawn") == []


def test_what_it_is_called_and_where_it_lies_is_not_in_the_ledger(
    session: Session, post: Call
) -> None:
    made = post(OF_FIRST, **ACME)

    (stated,) = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry)
        .where(LedgerEntry.kind == "derived_version.in_use", LedgerEntry.row_id == UUID(made["id"]))
    )
    assert "acme" not in stated


def test_a_child_is_withdrawn_with_its_parent_and_owes_a_confirmation(
    session: Session, post: Call, get: Call, first: ModelVersion, clock: Clock
) -> None:
    made = post(OF_FIRST, **ACME)
    forget(session, first, "ada")

    (owing,) = get(ALL, state="withdrawn")
    clock.now = NOW + DAY
    answer = post(f"{ALL}/{made['id']}:confirm-withdrawn", **LETTER)

    assert datetime.fromisoformat(owing["withdrawn_at"]) == PUBLISHED
    assert (answer["state"], answer["notice"]) == ("confirmed", "letter 2026-31")
    assert datetime.fromisoformat(answer["confirmed_at"]) == clock.now
    assert get(ALL, state="withdrawn") == []


def test_a_child_of_a_version_that_is_withdrawn_already_is_withdrawn_at_once(
    session: Session, post: Call, get: Call, first: ModelVersion
) -> None:
    request = forget(session, first, "ada")

    made = post(OF_FIRST, **ACME)

    assert made["state"] == "withdrawn"
    told = get(f"/v1/deletion-requests/{request}")
    assert (told["state"], [child["id"] for child in told["derived"]]) == (
        "completed",
        [made["id"]],
    )


def test_a_child_may_be_out_of_use_before_its_parent_is(
    session: Session, post: Call, get: Call, first: ModelVersion
) -> None:
    made = post(OF_FIRST, **ACME)
    post(f"{ALL}/{made['id']}:confirm-withdrawn", **LETTER)

    forget(session, first, "ada")

    assert get(ALL)[0]["state"] == "confirmed"


def test_a_request_shows_the_children_that_it_reaches_and_no_others(
    session: Session, post: Call, get: Call, first: ModelVersion
) -> None:
    line = model_lines.by_id(session, first.model_id)
    make_version(session, line, training_set=Bitmap([8, 9]))
    reached = post(OF_FIRST, **ACME)
    post("/v1/models/faces/versions/2/derived", **ACME)

    made = post("/v1/deletion-requests", subject="ada")

    assert [child["id"] for child in made["derived"]] == [reached["id"]]
    assert get(f"/v1/deletion-requests/{made['id']}")["derived"] == made["derived"]
    assert get("/v1/deletion-requests")["items"][0]["derived"] is None


def test_the_lineage_of_a_sample_leads_to_children(
    session: Session, post: Call, get: Call, first: ModelVersion
) -> None:
    made = post(OF_FIRST, **ACME)
    forget(session, first, "ada")

    by_number = {
        version["number"]: version["derived"]
        for version in get("/v1/models/faces/versions", saw_sample="ada-0")
    }

    assert [child["id"] for child in by_number[1]] == [made["id"]]
    assert get("/v1/models/faces/versions")[0]["derived"] is None


def test_a_completed_request_says_in_its_receipt_what_is_outstanding(
    session: Session, post: Call, http: TestClient, first: ModelVersion
) -> None:
    made = post(OF_FIRST, **ACME)
    request = forget(session, first, "ada")
    sequence(session)

    said = verified(fetched(http, request)).statement.predicate

    (child,) = said["derived"]
    assert (child["id"], child["state"], child["confirmed_at"]) == (made["id"], "withdrawn", None)
    assert child["withdrawn_at"] == PUBLISHED.isoformat()
    assert summary(said)[-1] == (
        "Derived elsewhere from model faces, version 1 (fine tune): acme-ft-3; its owner had not "
        "confirmed by then that it is out of use."
    )


def test_a_request_that_finds_nothing_in_use_still_tells_of_the_child_that_saw_it(
    session: Session, post: Call, http: TestClient, first: ModelVersion
) -> None:
    """Ada's samples are out of every version in use; what Acme made of them may not be."""
    post(OF_FIRST, **ACME)
    forget(session, first, "ada")

    again = make_request(session, "ada")
    sequence(session)

    said = verified(fetched(http, again.id)).statement.predicate
    assert (said["outcomes"], [child["state"] for child in said["derived"]]) == ([], ["withdrawn"])


def test_reports_say_what_is_outstanding_and_what_was_confirmed(
    session: Session, post: Call, get: Call, http: TestClient, first: ModelVersion
) -> None:
    made = post(OF_FIRST, **ACME)
    request = forget(session, first, "ada")
    path = f"/v1/deletion-requests/{request}/report"

    before = read_page(http.get(path, params={"format": "html"}).text).text
    period = get("/v1/reports/period", **{"from": "2026-03-01", "to": "2026-03-31"})
    post(f"{ALL}/{made['id']}:confirm-withdrawn", **LETTER)
    after = read_page(http.get(path, params={"format": "html"}).text).text

    assert "Outstanding elsewhere: 1 confirmation; see below." in before
    assert "acme-ft-3 was made from it elsewhere, by training it further." in before
    assert "Its owner has not confirmed that it is out of use" in before
    assert "Outstanding" not in after
    assert "Its owner confirmed that it is out of use; this was noted on 2 March 2026." in after
    assert period["elsewhere"] == {"withdrawn": 1, "confirmed": 0, "outstanding": 1}
    (job,) = get("/v1/jobs")["items"]
    (child,) = get(f"/v1/jobs/{job['id']}/report")["derived"]
    assert (child["id"], child["state"]) == (made["id"], "confirmed")


def test_a_name_is_taken_once_under_each_version(
    session: Session, post: Call, refused: Call
) -> None:
    post(OF_FIRST, **ACME)

    refused("POST", OF_FIRST, 409, "name_taken", json=ACME)
    make_version(session, make_model(session, datasets.get(session, "faces"), "other"))
    post("/v1/models/other/versions/1/derived", **ACME)


@pytest.mark.parametrize(
    "wrong",
    [
        {"how": "theft"},
        {"name": ""},
        {"location": ""},
        {"contact": "x" * 501},
        {"weights_digest": "AB" * 32},
        {"weights_digest": "ab"},
        {"state": "confirmed"},
    ],
)
def test_what_cannot_be_meant_is_refused(refused: Call, wrong: dict[str, str]) -> None:
    refused("POST", OF_FIRST, 422, "malformed", json=ACME | wrong)


def test_what_is_not_there_is_not_found(post: Call, refused: Call) -> None:
    refused("POST", "/v1/models/voices/versions/1/derived", 404, "unknown_model", json=ACME)
    refused("POST", "/v1/models/faces/versions/9/derived", 404, "unknown_version", json=ACME)
    refused("GET", "/v1/models/faces/versions/9/derived", 404, "unknown_version")
    path = f"{ALL}/{UUID(int=0)}:confirm-withdrawn"
    refused("POST", path, 404, "unknown_derived_version", json=LETTER)


def test_a_confirmation_is_noted_once_and_names_where_it_lies(post: Call, refused: Call) -> None:
    path = f"{ALL}/{post(OF_FIRST, **ACME)['id']}:confirm-withdrawn"

    refused("POST", path, 422, "malformed", json={})
    post(path, **LETTER)

    refused("POST", path, 409, "illegal_transition", json=LETTER)
