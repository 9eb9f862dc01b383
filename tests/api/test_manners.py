"""How a request was made is on record where somebody says it (CCPA regulations, 7101(b))."""

import json

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.law import Manner
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.reports.words import MANNERS
from tests.api.conftest import Call
from tests.factories import NOW, make_version

PATH = "/v1/deletion-requests"
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture(autouse=True)
def live(session: Session) -> None:
    make_version(session)


def page(http: TestClient, path: str, **query: str) -> str:
    return " ".join(http.get(path, params={"format": "html", **query}).text.split())


def test_the_manner_is_shown_stated_and_told_to_the_person(
    session: Session, http: TestClient, post: Call, get: Call
) -> None:
    made = post(PATH, subject="ada", manner="phone")

    assert made["manner"] == get(f"{PATH}/{made['id']}")["manner"] == "phone"
    stated = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry)
        .where(LedgerEntry.kind == "deletion_request.received")
    ).one()
    assert json.loads(stated)["manner"] == "phone"
    assert get(f"{PATH}/{made['id']}/report")["request"]["manner"] == "phone"
    assert "12:00:00 UTC, by telephone. Under the GDPR" in page(http, f"{PATH}/{made['id']}/report")


def test_nothing_is_said_of_a_manner_that_is_not_known(http: TestClient, post: Call) -> None:
    made = post(PATH, subject="ada")

    assert made["manner"] is None
    assert "12:00:00 UTC. Under the GDPR" in page(http, f"{PATH}/{made['id']}/report")


def test_a_period_counts_what_was_received_by_manner(
    http: TestClient, post: Call, get: Call
) -> None:
    for manner in ("email", "email", "web_form"):
        post(PATH, subject="ada", manner=manner)
    csv = "subject,manner\nben,email\neve,\n"
    http.post(f"{PATH}:bulk", content=csv, headers={"Content-Type": "text/csv"})
    post(PATH, subject="kim", manner="mail", received_at=NOW.replace(month=2).isoformat())

    told = get("/v1/reports/period", **MARCH)["manners"]

    assert (told["email"], told["web_form"], told["not_recorded"], told["mail"]) == (3, 1, 1, 0)
    assert sum(told.values()) == 5
    assert '<th scope="row">by e-mail</th><td class="figure">3</td>' in page(
        http, "/v1/reports/period", **MARCH
    )


def test_another_manner_is_refused(refused: Call) -> None:
    refused("POST", PATH, 422, "malformed", json={"subject": "ada", "manner": "pigeon"})


def test_every_manner_has_words() -> None:
    assert MANNERS.keys() == set(Manner)
