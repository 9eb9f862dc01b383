"""What the database keeps of legal clocks: no due date moves later by itself (I7)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db import transaction
from app.ledger import clocks, requests, retention
from app.ledger.clock_tables import DueMark, Extension, Urgency
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.reasons import ExtensionReason
from app.ledger.tables import DeletionRequest, Erasure
from tests.factories import DAY, NOW, make_request, make_version
from tests.ledger.checks import check_now, undone

BERLIN = ZoneInfo("Europe/Berlin")
Move = Callable[[Session, DeletionRequest], Any]


@pytest.fixture
def request_of_ada(session: Session) -> DeletionRequest:
    make_version(session)
    return make_request(session, "ada")


def extend(session: Session, request: DeletionRequest, now: datetime = NOW) -> DeletionRequest:
    return clocks.extend(
        session,
        request.id,
        reason=ExtensionReason.NUMBER_OF_REQUESTS,
        notice="letter 7",
        zone=BERLIN,
        now=now,
    )


def set_due(session: Session, request: DeletionRequest, due_at: datetime) -> None:
    """Past all code of ours."""
    session.execute(
        update(DeletionRequest).where(DeletionRequest.id == request.id).values(due_at=due_at)
    )


def add_extension(
    session: Session, request: DeletionRequest, due_after: datetime, *, now: datetime = NOW
) -> None:
    session.execute(
        insert(Extension).values(
            request_id=request.id,
            reason=ExtensionReason.COMPLEXITY,
            due_before=request.due_at,
            due_after=due_after,
            extended_at=now,
        )
    )


def without_a_row(session: Session, request: DeletionRequest) -> None:
    set_due(session, request, request.due_at + DAY)


def without_an_entry(session: Session, request: DeletionRequest) -> None:
    add_extension(session, request, request.due_at + DAY)
    set_due(session, request, request.due_at + DAY)


def further_than_extended(session: Session, request: DeletionRequest) -> None:
    later = extend(session, request).due_at
    set_due(session, request, later + DAY)


def back_and_forth(session: Session, request: DeletionRequest) -> None:
    due_at = request.due_at
    set_due(session, request, due_at - DAY)
    set_due(session, request, due_at)


@pytest.mark.parametrize(
    "move", [without_a_row, without_an_entry, further_than_extended, back_and_forth]
)
def test_a_due_date_does_not_move_later_without_an_extension_entry(
    session: Session, request_of_ada: DeletionRequest, move: Move
) -> None:
    with undone(session):
        move(session, request_of_ada)
        with pytest.raises(DBAPIError, match="moved later without an extension entry"):
            check_now(session)


def test_an_extension_and_an_earlier_due_date_are_taken(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    extend(session, request_of_ada)
    check_now(session)

    set_due(session, request_of_ada, NOW + DAY)
    session.execute(update(Erasure).values(due_at=NOW + DAY))

    check_now(session)


def test_an_erasure_is_never_due_later_than_its_request(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    with undone(session):
        session.execute(update(Erasure).values(due_at=request_of_ada.due_at + DAY))
        with pytest.raises(DBAPIError, match="is due later than its request"):
            check_now(session)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE extensions SET due_after = due_after + interval '1 day'", "DELETE FROM extensions"],
)
def test_what_was_extended_cannot_be_rewritten(
    session: Session, request_of_ada: DeletionRequest, statement: str
) -> None:
    extend(session, request_of_ada)

    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(text(statement))


def test_the_database_takes_no_extension_after_the_first_period(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    late = request_of_ada.due_at + timedelta(seconds=1)

    with (
        pytest.raises(DBAPIError, match="ck_extensions_inside_the_first_period"),
        session.begin_nested(),
    ):
        add_extension(session, request_of_ada, late + DAY, now=late)


def test_each_urgency_of_each_due_date_is_stated_once(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    due_at = request_of_ada.due_at
    seen = [clocks.escalate(session, now=due_at + offset * DAY) for offset in (-2, -1, -1, 1, 2)]

    key = request_of_ada.id
    stages = [(key, stage) for stage in clocks.STAGES]
    assert seen == [stages, [(key, Urgency.AT_RISK)], [], [(key, Urgency.OVERDUE)], []]
    kinds = session.scalars(
        select(LedgerEntry.kind).where(LedgerEntry.machine == "due_mark").order_by(LedgerEntry.id)
    ).all()
    foretold = {Urgency.PREDICTED_LATE}  # which takes past jobs: tests/ledger/test_durations.py
    told = [urgency for urgency in Urgency if urgency not in foretold]
    assert kinds == [f"deletion_request.{urgency}" for urgency in told]


@pytest.mark.parametrize(
    ("percent", "stage"),
    [(50, Urgency.ELAPSED_50), (75, Urgency.ELAPSED_75), (90, Urgency.ELAPSED_90)],
)
def test_a_stage_is_stated_at_its_share_of_the_time_and_not_a_second_before(
    session: Session, request_of_ada: DeletionRequest, percent: int, stage: Urgency
) -> None:
    session.execute(text("SET LOCAL TIME ZONE 'Europe/Berlin'"))  # summer time begins on the way
    received, due_at = request_of_ada.received_at, request_of_ada.due_at
    reached = received + (due_at - received) * percent / 100

    before = clocks.escalate(session, now=reached - timedelta(seconds=1))
    now = clocks.escalate(session, now=reached)

    assert stage not in dict(before).values()
    assert now == [(request_of_ada.id, stage)]


def test_an_extended_request_goes_through_the_stages_of_its_new_date(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    half = request_of_ada.received_at + (request_of_ada.due_at - request_of_ada.received_at) / 2
    clocks.escalate(session, now=half)

    extend(session, request_of_ada, now=half)
    at_once = clocks.escalate(session, now=half)
    later = clocks.escalate(session, now=request_of_ada.due_at - 30 * DAY)

    assert at_once == []
    assert later == [(request_of_ada.id, Urgency.ELAPSED_50)]


def test_a_stage_does_not_make_a_request_urgent(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    clocks.escalate(session, now=request_of_ada.due_at - 2 * DAY)

    assert not clocks.of(session, [request_of_ada])[request_of_ada.id].at_risk
    assert session.scalars(select(DeletionRequest.id).where(clocks.at_risk(True))).all() == []


def test_a_request_that_ended_goes_through_no_stage(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    requests.cancel(session, request_of_ada.id, now=NOW, reason="asked to")

    assert clocks.escalate(session, now=request_of_ada.due_at) == []


def test_two_clerks_mark_a_due_date_once(sessions: sessionmaker[Session], background: Any) -> None:
    with transaction(sessions) as session:
        make_version(session)
        due_at = make_request(session, "ada").due_at

    looks = [background(lambda s: clocks.escalate(s, now=due_at)) for _ in range(6)]

    assert sum(len(look.result(10)) for look in looks) == len(clocks.STAGES) + 1
    with transaction(sessions) as session:
        assert session.scalar(select(func.count()).select_from(DueMark)) == len(clocks.STAGES) + 1


def test_the_notice_of_an_extension_is_shredded_with_its_request(
    session: Session, request_of_ada: DeletionRequest
) -> None:
    extend(session, request_of_ada)
    clocks.escalate(session, now=request_of_ada.due_at)
    requests.cancel(session, request_of_ada.id, now=NOW, reason="asked to")

    retention.shred(session, request_of_ada.id, now=NOW + 731 * DAY)

    assert session.scalars(select(Extension.notice)).one() is None
    left = (
        select(LedgerPayload)
        .join(LedgerEntry)
        .where(LedgerEntry.machine.in_(("extension", "due_mark")))
    )
    assert session.scalars(left).all() == []
