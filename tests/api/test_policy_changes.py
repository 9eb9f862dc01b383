"""A model's policy is changed, by those who know what it is."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.policy import Policy
from app.ledger.tables import Model
from tests.api.conftest import Call
from tests.factories import NOW, make_erasure, make_model, make_training, make_version

PATH = "/v1/models/faces"
JSON = {"Content-Type": "application/json"}
KIND = "model.policy_changed"


@pytest.fixture(autouse=True)
def line(session: Session) -> Model:
    """A model with the usual policy, but that it waits long."""
    return make_model(session, max_wait_seconds=1e6)


def change(http: TestClient, if_match: str | None = None, **policy: Any) -> Any:
    headers = {} if if_match is None else {"If-Match": if_match}
    return http.patch(PATH, json={"policy": policy}, headers=headers)


def stated(session: Session) -> list[dict[str, Any]]:
    """What the ledger says of changes."""
    payloads = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.kind == KIND)
        .order_by(LedgerEntry.id)
    )
    return [json.loads(payload) for payload in payloads]


def test_the_fields_that_are_named_change_and_the_others_stay(
    session: Session, line: Model, http: TestClient, get: Call
) -> None:
    response = change(http, route="rum", max_rounds=3)

    before = asdict(Policy(max_wait_seconds=1e6))
    after = before | {"route": "rum", "max_rounds": 3}
    assert response.status_code == 200
    assert response.json()["policy"] == after
    assert get(PATH) == response.json()
    assert stated(session) == [
        {"id": str(line.id), "name": "faces", "policy": after, "before": before}
    ]


def test_a_change_holds_for_erasures_that_wait_already(
    session: Session, line: Model, http: TestClient
) -> None:
    make_version(session, line)
    erasure = make_erasure(session, "ada")
    assert batching.batch(session, line.id, now=NOW) is None

    change(http, max_wait_seconds=0)

    session.refresh(line)
    job = batching.batch(session, line.id, now=NOW)
    assert job is not None
    assert erasure.job_id == job.id


@pytest.mark.parametrize("policy", [{}, {"max_wait_seconds": 1e6}, {"route": "auto"}])
def test_what_changes_nothing_is_taken_and_leaves_no_entry(
    session: Session, http: TestClient, get: Call, policy: dict[str, Any]
) -> None:
    before = get(PATH)

    response = change(http, **policy)

    assert (response.status_code, response.json()) == (200, before)
    assert stated(session) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"policy": {"max_rounds": -1}}, "/policy/max_rounds"),
        ({"policy": {"max_rounds": None}}, "/policy/max_rounds"),
        ({"policy": {"max_rounds": 3, "max_wait": 5}}, "/policy/max_wait"),
        ({"policy": {"route": "none"}}, "/policy/route"),
        ({"policy": {"max_wait_seconds": float("inf")}}, "/policy/max_wait_seconds"),
        ({"policy": None}, "/policy"),
        ({"policy": {}, "recipe": "blobs"}, "/recipe"),
        ({}, "/policy"),
        ([], ""),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_as_a_whole(
    session: Session, get: Call, refused: Call, body: Any, pointer: str
) -> None:
    before = get(PATH)

    problem = refused("PATCH", PATH, 422, "malformed", content=json.dumps(body), headers=JSON)

    assert [place["pointer"] for place in problem["errors"]] == [pointer]
    assert get(PATH) == before
    assert stated(session) == []


def test_a_model_that_is_not_there_cannot_be_changed(refused: Call) -> None:
    refused("PATCH", "/v1/models/ears", 404, "unknown_model", json={"policy": {"approval": True}})


def test_of_two_who_read_the_same_the_second_to_change_it_is_refused(
    session: Session, http: TestClient, get: Call, refused: Call
) -> None:
    seen = http.get(PATH).headers["etag"]

    first = change(http, seen, max_rounds=3)
    refused(
        "PATCH",
        PATH,
        412,
        "changed_meanwhile",
        json={"policy": {"max_rounds": 4}},
        headers={"If-Match": seen},
    )
    again = change(http, first.headers["etag"], max_rounds=5)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["etag"] != seen
    assert get(PATH)["policy"]["max_rounds"] == 5
    assert [entry["policy"]["max_rounds"] for entry in stated(session)] == [3, 5]


@pytest.mark.parametrize(
    ("written", "status"),
    [("*", 200), ('"other", {}', 200), ("W/{}", 412), ('"other"', 412), ("", 412)],
)
def test_if_match_is_a_list_of_strong_tags_or_a_star(
    http: TestClient, written: str, status: int
) -> None:
    seen = http.get(PATH).headers["etag"]

    assert change(http, written.format(seen), approval=True).status_code == status


def test_a_model_is_told_again_only_if_it_changed(
    session: Session, line: Model, http: TestClient
) -> None:
    first = http.get(PATH)
    known = {"If-None-Match": first.headers["etag"]}

    same = http.get(PATH, headers=known)
    make_training(session, line)
    changed = http.get(PATH, headers=known)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_a_model_with_an_active_job_says_when_to_ask_again(
    session: Session, line: Model, http: TestClient
) -> None:
    assert "retry-after" not in http.get(PATH).headers

    make_training(session, line)

    assert http.get(PATH).headers["retry-after"] == "2"
