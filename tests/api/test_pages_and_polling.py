import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import pages
from app.errors import BadPageToken
from app.ledger import batching, jobs, requests
from app.ledger.states import JobState, RequestState
from tests.api.conftest import Call
from tests.factories import NOW, claim, make_job, make_request, make_training, make_version

REQUESTS, JOBS = "/v1/deletion-requests", "/v1/jobs"
A_ROW = UUID(int=1)
moments = st.datetimes(timezones=st.just(UTC))


@given(moments, st.uuids())
def test_a_token_leads_back_to_its_place(moment: datetime, row_id: UUID) -> None:
    place = (moment, row_id)

    assert pages.decode("jobs", pages.encode("jobs", place)) == place


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(BadPageToken):
        pages.decode("jobs", token)


@given(moments, st.uuids(), st.integers(1, 40))
def test_a_token_that_was_cut_padded_or_taken_from_another_list_is_refused(
    moment: datetime, row_id: UUID, cut: int
) -> None:
    token = pages.encode("jobs", (moment, row_id))
    foreign = pages.encode("requests", (moment, row_id))

    for forged in (token[:-cut], token[cut:], f"{token}=", f" {token}", f"{token}!", foreign):
        with pytest.raises(BadPageToken):
            pages.decode("jobs", forged)


def tokens(*places: str) -> list[str]:
    return [base64.urlsafe_b64encode(place.encode()).decode() for place in places]


@pytest.mark.parametrize("path", [REQUESTS, JOBS])
@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        *tokens("", NOW.isoformat(), f"jobs yesterday {A_ROW}", f"jobs {NOW.isoformat()} ada"),
        *tokens(f"requests 2026-01-01T00:00:00 {A_ROW}", f"jobs 2026-01-01T00:00:00 {A_ROW}"),
        *tokens(f"deliveries {NOW.isoformat()} {A_ROW}", f"jobs' OR 1=1 {A_ROW}"),
    ],
)
def test_a_bad_token_is_refused(refused: Call, path: str, token: str) -> None:
    refused("GET", path, 400, "bad_page_token", params={"page_token": token})


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5"])
def test_a_page_has_at_least_one_row(refused: Call, size: str) -> None:
    refused("GET", REQUESTS, 422, "malformed", params={"page_size": size})


def walk(get: Call, path: str, **query: object) -> list[list[str]]:
    """The ids on each page."""
    found, token = [], None
    while token != "":
        page = get(path, **query, **({} if token is None else {"page_token": token}))
        found.append([item["id"] for item in page["items"]])
        token = page["next_page_token"]
    return found


def test_pages_hold_every_request_once_newest_first(session: Session, get: Call) -> None:
    # The last two were received at the same moment: their ids decide.
    moments = [NOW + timedelta(days=days) for days in (0, 1, 2, 3, 4, 4)]
    made = [make_request(session, "stranger", now=moment) for moment in moments]
    newest_first = sorted(made, key=lambda r: (r.received_at, r.id), reverse=True)

    walked = walk(get, REQUESTS, page_size=2)

    assert walked == [
        [str(request.id) for request in newest_first[start : start + 2]] for start in (0, 2, 4)
    ]


def test_a_page_that_is_just_full_is_the_last(session: Session, get: Call) -> None:
    for _ in range(2):
        make_request(session, "stranger")

    assert get(REQUESTS, page_size=2)["next_page_token"] == ""


def test_a_request_that_comes_in_meanwhile_does_not_shift_the_pages(
    session: Session, get: Call
) -> None:
    old = [make_request(session, "stranger", now=NOW + timedelta(days=day)) for day in range(2)]
    first = get(REQUESTS, page_size=1)
    make_request(session, "stranger", now=NOW + timedelta(days=2))

    second = get(REQUESTS, page_size=1, page_token=first["next_page_token"])

    assert [item["id"] for item in second["items"]] == [str(old[0].id)]


def test_a_page_size_beyond_the_largest_is_read_as_the_largest(session: Session, get: Call) -> None:
    for _ in range(pages.MOST + 1):
        make_request(session, "stranger")

    assert [len(page) for page in walk(get, REQUESTS, page_size=10**6)] == [pages.MOST, 1]


def test_requests_are_found_by_state_and_external_id(session: Session, get: Call) -> None:
    make_version(session)
    done = make_request(session, "stranger", external_id="T-1")
    open_ = make_request(session, "ada", external_id="T-2")

    assert walk(get, REQUESTS, state="completed_no_data") == [[str(done.id)]]
    assert walk(get, REQUESTS, external_id="T-2") == [[str(open_.id)]]
    assert walk(get, REQUESTS, state="completed_no_data", external_id="T-2") == [[]]


def test_jobs_are_found_by_state_and_model(session: Session, get: Call) -> None:
    parent = make_version(session)
    ended = make_job(session, parent=parent)
    jobs.finish(session, ended, JobState.CANCELLED, now=NOW)
    queued = make_job(session, parent=parent)

    assert walk(get, JOBS, state="queued", model="faces") == [[str(queued.id)]]
    assert walk(get, JOBS, state="cancelled") == [[str(ended.id)]]
    both = sorted([ended, queued], key=lambda job: job.id, reverse=True)  # of the same moment
    assert walk(get, JOBS, page_size=1) == [[str(job.id)] for job in both]


@pytest.mark.parametrize("listed", [requests.listed, jobs.listed])
def test_a_page_is_read_off_an_index(session: Session, listed: Callable[..., Any]) -> None:
    session.execute(text("SET LOCAL enable_seqscan = off"))
    asked: list[tuple[str, Any]] = []
    with noting(session, asked):
        listed(session, limit=3, after=(NOW, A_ROW))
    statement, parameters = asked[0]

    plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()

    assert any("Index Scan Backward" in line for line in plan)
    assert not any("Sort" in line for line in plan)


@contextmanager
def noting(session: Session, asked: list[tuple[str, Any]]) -> Iterator[None]:
    """Note the statements that are sent in the block."""

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield
    event.remove(session.get_bind(), "before_cursor_execute", note)


def test_what_is_unchanged_is_not_sent_again(session: Session, http: TestClient) -> None:
    version = make_version(session)
    request = make_request(session, "ada")
    path = f"{REQUESTS}/{request.id}"
    first = http.get(path)
    etag = first.headers["etag"]

    same = http.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    batching.batch(session, version.model_id, now=NOW, flush=True)
    changed = http.get(path, headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == etag
    assert changed.status_code == 200
    assert changed.json()["state"] == RequestState.IN_PROGRESS
    assert changed.headers["etag"] != etag


def test_only_what_may_still_change_says_when_to_ask_again(
    session: Session, http: TestClient
) -> None:
    make_version(session)
    open_, done = make_request(session, "ada"), make_request(session, "stranger")

    assert http.get(f"{REQUESTS}/{open_.id}").headers["retry-after"] == "2"
    assert "retry-after" not in http.get(f"{REQUESTS}/{done.id}").headers


def test_a_job_is_polled_with_its_progress(session: Session, http: TestClient) -> None:
    job = make_training(session)
    claim(session, job)
    told = {"phase": "train", "share": 0.5, "words": "epoch 1 of 2", "eta_seconds": 3.0}
    before = http.get(f"{JOBS}/{job.id}")
    jobs.renew(session, job.id, 1, progress=told, lease_seconds=30, now=NOW)

    after = http.get(f"{JOBS}/{job.id}", headers={"If-None-Match": before.headers["etag"]})

    assert before.json()["progress"] == {"share": 0.0, "words": "", "eta_seconds": None}
    assert after.json()["progress"] == {k: told[k] for k in ("share", "words", "eta_seconds")}
    assert (after.json()["kind"], after.json()["retain_count"]) == ("train", 10)
