"""Extending, holding, releasing and denying a request, with a clock that tests move."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, clocks, datasets, requests
from app.ledger.log_tables import LedgerEntry
from app.ledger.states import ErasureState
from app.ledger.tables import DeletionRequest, ModelVersion
from app.queue import CONSIDER_MODEL
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import (
    DAY,
    NOW,
    make_dataset,
    make_model,
    make_request,
    make_version,
    run_through,
)

PATH = "/v1/deletion-requests"
LONGER = {"reason": "complexity", "notice": "letter 7"}
HELD = {"reason": "legal_claims"}
RELEASED = {"reason": "ground_ended"}
DENIED = {"reasons": ["insuf_verification", "no_match"], "notice": "letter 8"}
ACTIONS = {"extend": LONGER, "hold": HELD, "release": RELEASED, "deny": DENIED}


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


def submit(post: Call, **body: Any) -> Any:
    return post(PATH, subject="ada", **body)


def entries_of(session: Session, request_id: str, machine: str) -> list[str]:
    query = select(LedgerEntry.kind).where(
        LedgerEntry.row_id == UUID(request_id), LedgerEntry.machine == machine
    )
    return list(session.scalars(query.order_by(LedgerEntry.id)))


def buried(session: Session) -> list[int]:
    return list(datasets.tombstones(session, datasets.get(session, "faces").id))


def state_of(answer: Any) -> tuple[str, list[str]]:
    return answer["state"], [erasure["state"] for erasure in answer["erasures"]]


def test_an_extension_moves_the_due_date_once_and_has_an_entry(
    session: Session, post: Call, refused: Call
) -> None:
    made = submit(post)

    answer = post(f"{PATH}/{made['id']}:extend", **LONGER)

    assert made["due_at"] == "2026-04-02T23:59:59+02:00"
    assert moment(answer["due_at"]) == datetime(2026, 6, 2, 21, 59, 59, tzinfo=UTC)
    assert answer["extension"]["reason"] == "complexity"
    assert answer["extension"]["notice"] == "letter 7"
    assert moment(answer["extension"]["due_before"]) == moment(made["due_at"])
    assert entries_of(session, made["id"], "extension") == ["deletion_request.extended"]
    (erasure,) = requests.get(session, UUID(made["id"])).erasures
    assert erasure.due_at == moment(answer["due_at"])
    refused("POST", f"{PATH}/{made['id']}:extend", 409, "already_extended", json=LONGER)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_periods_end_with_the_day_where_the_answer_is_owed_whatever_clocks_and_months_do(
    post: Call, get: Call
) -> None:
    """Received on the last of January: February is short, clocks change on the 29th of March."""
    made = submit(post, received_at="2026-01-31T10:00:00+01:00")

    answer = post(f"{PATH}/{made['id']}:extend", **LONGER)

    assert moment(made["due_at"]) == moment("2026-03-02T23:59:59+01:00")
    assert moment(answer["due_at"]) == moment("2026-04-30T23:59:59+02:00")
    assert moment(get(f"{PATH}/{made['id']}")["due_at"]) == moment(answer["due_at"])


def test_an_extension_is_taken_to_the_last_second_of_the_first_period_and_not_after(
    post: Call, refused: Call, clock: Clock
) -> None:
    made, other = submit(post), submit(post)
    clock.now = moment(made["due_at"])
    post(f"{PATH}/{made['id']}:extend", **LONGER)

    clock.pass_by(1)

    refused("POST", f"{PATH}/{other['id']}:extend", 409, "first_period_over", json=LONGER)


def test_a_request_that_is_held_is_not_batched_until_it_is_released(
    session: Session, post: Call, live: ModelVersion, queue: FakeQueue
) -> None:
    made = submit(post)

    held = post(f"{PATH}/{made['id']}:hold", **HELD)

    assert state_of(held) == ("on_hold", ["on_hold"])
    assert moment(held["due_at"]) == moment(made["due_at"])
    assert batching.batch(session, live.model_id, now=NOW, flush=True) is None
    assert buried(session) == [0, 1]
    queue.rung.clear()
    released = post(f"{PATH}/{made['id']}:release", **RELEASED)
    session.expire_all()
    assert state_of(released) == ("accepted", ["pending"])
    assert queue.rung == [(CONSIDER_MODEL, live.model_id)]
    assert batching.batch(session, live.model_id, now=NOW, flush=True) is not None


def test_a_request_that_one_model_carried_out_is_held_and_released_at_the_other(
    session: Session, post: Call, live: ModelVersion
) -> None:
    other = make_version(session, make_model(session, datasets.get(session, "faces"), "other"))
    request = make_request(session, "ada")
    job = batching.batch(session, live.model_id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)

    held = post(f"{PATH}/{request.id}:hold", **HELD)
    released = post(f"{PATH}/{request.id}:release", **RELEASED)

    assert held["state"] == "on_hold"
    assert released["state"] == "in_progress"
    assert {erasure["state"] for erasure in released["erasures"]} == {"forgotten", "pending"}
    session.expire_all()
    assert batching.batch(session, other.model_id, now=NOW, flush=True) is not None


def test_a_request_in_a_job_cannot_be_held_or_denied(
    session: Session, refused: Call, live: ModelVersion
) -> None:
    request = make_request(session, "ada")
    batching.batch(session, live.model_id, now=NOW, flush=True)

    refused("POST", f"{PATH}/{request.id}:hold", 409, "already_batched", json=HELD)
    refused("POST", f"{PATH}/{request.id}:deny", 409, "illegal_transition", json=DENIED)

    assert buried(session) == [0, 1]


def test_a_request_is_held_once_and_only_what_is_held_is_released(
    session: Session, post: Call, refused: Call
) -> None:
    path = f"{PATH}/{make_request(session, 'ada').id}"

    refused("POST", f"{path}:release", 409, "illegal_transition", json=RELEASED)
    post(f"{path}:hold", **HELD)

    refused("POST", f"{path}:hold", 409, "illegal_transition", json=HELD)


@pytest.mark.parametrize("held", [False, True])
def test_a_denied_request_ends_and_its_samples_may_be_trained_on_again(
    session: Session, post: Call, held: bool
) -> None:
    request = make_request(session, "ada")
    if held:
        post(f"{PATH}/{request.id}:hold", **HELD)

    answer = post(f"{PATH}/{request.id}:deny", **DENIED)

    assert state_of(answer) == ("denied", ["cancelled"])
    assert answer["finished_at"] is not None
    assert buried(session) == []
    assert entries_of(session, answer["id"], "deletion_request")[-1] == "deletion_request.denied"
    assert entries_of(session, answer["id"], "receipt") == ["receipt.accepted", "receipt.denied"]


def test_samples_of_a_denied_request_stay_buried_for_whoever_else_asked(
    session: Session, post: Call
) -> None:
    mine, _ = make_request(session, "ada", "ben"), make_request(session, "ben")

    post(f"{PATH}/{mine.id}:deny", **DENIED)

    assert buried(session) == [2, 3]


@pytest.mark.parametrize("action", ["extend", "hold", "release", "deny"])
def test_nothing_is_decided_about_a_request_that_has_ended(
    session: Session, refused: Call, action: str
) -> None:
    ended = make_request(session, "stranger")

    path = f"{PATH}/{ended.id}:{action}"

    refused("POST", path, 409, "illegal_transition", json=ACTIONS[action])


@pytest.mark.parametrize("action", ["extend", "hold", "release", "deny"])
def test_an_unknown_request_is_not_found(refused: Call, action: str) -> None:
    path = f"{PATH}/{UUID(int=0)}:{action}"

    refused("POST", path, 404, "unknown_request", json=ACTIONS[action])


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("extend", {"reason": "complexity"}),
        ("extend", {"reason": "holidays", "notice": "letter 7"}),
        ("extend", LONGER | {"due_at": "2030-01-01T00:00:00Z"}),
        ("hold", {"reason": "later"}),
        ("release", {}),
        ("deny", {"reasons": [], "notice": "letter 8"}),
        ("deny", {"reasons": ["no_match", "no_match"], "notice": "letter 8"}),
        ("deny", {"reasons": ["no_match"]}),
    ],
)
def test_a_reason_that_the_law_does_not_know_is_refused(
    session: Session, refused: Call, action: str, body: object
) -> None:
    request = make_request(session, "ada")

    refused("POST", f"{PATH}/{request.id}:{action}", 422, "malformed", json=body)


def test_a_due_date_that_is_near_or_past_is_shown_and_asked_for(
    session: Session, post: Call, get: Call
) -> None:
    made = submit(post)
    later = submit(post, received_at=(NOW + timedelta(minutes=4)).isoformat())["id"]
    due = moment(made["due_at"])
    post(f"{PATH}/{later}:extend", **LONGER)

    def urgency(now: datetime) -> tuple[bool, bool]:
        clocks.escalate(session, now=now)
        answer = get(f"{PATH}/{made['id']}")
        return answer["at_risk"], answer["overdue"]

    assert urgency(due - DAY - timedelta(seconds=1)) == (False, False)
    assert urgency(due - DAY) == (True, False)
    assert urgency(due) == (True, False)
    assert urgency(due + timedelta(seconds=1)) == (True, True)
    assert [item["id"] for item in get(PATH, at_risk=True)["items"]] == [made["id"]]
    assert [item["id"] for item in get(PATH, at_risk=False)["items"]] == [later]


def test_an_extended_request_and_one_that_ended_are_at_risk_no_more(
    session: Session, post: Call, get: Call, clock: Clock
) -> None:
    extended, denied = submit(post), submit(post)
    clock.now = moment(extended["due_at"]) - timedelta(hours=1)
    clocks.escalate(session, now=clock.now)
    assert len(get(PATH, at_risk=True)["items"]) == 2

    longer = post(f"{PATH}/{extended['id']}:extend", **LONGER)
    post(f"{PATH}/{denied['id']}:deny", **DENIED)

    assert get(PATH, at_risk=True)["items"] == []
    assert longer["at_risk"] is False
    clocks.escalate(session, now=moment(longer["due_at"]))
    assert [item["id"] for item in get(PATH, at_risk=True)["items"]] == [extended["id"]]


def test_an_etag_changes_when_a_due_date_comes_near(
    session: Session, post: Call, http: TestClient
) -> None:
    made = submit(post)
    first = http.get(f"{PATH}/{made['id']}")
    clocks.escalate(session, now=moment(made["due_at"]))

    again = http.get(f"{PATH}/{made['id']}", headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 200


def test_a_model_that_has_forgotten_already_gives_no_margin(
    session: Session, get: Call, live: ModelVersion
) -> None:
    """The margin of a model counts while it owes the request something."""
    voices = make_dataset(session, "voices", people=["ada", "mia"])
    make_version(session, make_model(session, voices, "speech", due_margin_seconds=0.0))
    request: DeletionRequest = make_request(session, "ada")
    job = batching.batch(session, live.model_id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)

    clocks.escalate(session, now=request.due_at - timedelta(hours=1))

    assert {erasure.state for erasure in requests.get(session, request.id).erasures} == {
        ErasureState.PENDING,
        ErasureState.FORGOTTEN,
    }
    assert get(f"{PATH}/{request.id}")["at_risk"] is False
