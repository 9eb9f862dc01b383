"""Every fact that webhooks are told of is noted in its own transaction, and addressed once."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.db import transaction
from app.law import gdpr_due
from app.ledger import (
    batching,
    clocks,
    consumers,
    durations,
    endings,
    fan_out,
    holds,
    jobs,
    messages,
    model_lines,
    requests,
    turns,
    versions,
    webhooks,
)
from app.ledger.outbox import EventType
from app.ledger.reasons import DenialReason, ExtensionReason, HoldReason
from app.ledger.states import JobState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import move
from app.ledger.webhook_tables import Signing, Webhook, WebhookDelivery, WebhookEvent
from tests.factories import (
    DAY,
    EACH,
    NOW,
    PEOPLE,
    key_of,
    make_dataset,
    make_job,
    make_model,
    make_request,
    make_version,
    run_through,
)
from tests.ledger.conftest import Background
from tests.ledger.past_jobs import past_job

EVERYTHING = list(EventType)


def make_webhook(
    session: Session, *events: EventType, model: Model | None = None, **at: Any
) -> Webhook:
    return webhooks.create(
        session,
        f"https://hooks.example/{uuid4()}",
        events=events or EVERYTHING,
        model=model,
        signing=Signing.HMAC,
        now=at.get("now", NOW),
    )


def noted(session: Session) -> set[str]:
    session.flush()
    return set(session.scalars(select(WebhookEvent.kind)))


def sent(session: Session, webhook: Webhook) -> list[dict[str, Any]]:
    """What has been addressed to a webhook."""
    bodies = session.scalars(
        select(WebhookEvent.body)
        .join(WebhookDelivery, WebhookDelivery.event_id == WebhookEvent.id)
        .where(WebhookDelivery.webhook_id == webhook.id)
    )
    return [json.loads(body or "") for body in bodies]


def types(session: Session, webhook: Webhook) -> list[str]:
    return sorted(message["type"] for message in sent(session, webhook))


def forget(session: Session, version: ModelVersion, *people: str) -> ModelVersion:
    """Have a model forget these people."""
    make_request(session, *people, external_id=f"ticket of {people[0]}")
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    return run_through(session, job)


def escalated(session: Session, job: Job) -> None:
    for state in (
        *(JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING),
        *(JobState.UNLEARNING, JobState.AUDITING, JobState.AWAITING_APPROVAL),
    ):
        move(session, job, state, now=NOW)


def whatever_can_happen(session: Session) -> None:
    """Each fact that webhooks are told of, at least once."""
    version = make_version(session)
    line = model_lines.by_id(session, version.model_id)
    new = forget(session, version, "ada")
    versions.purge(session, version, now=NOW)
    for _ in range(durations.FEWEST):
        past_job(session, new, 60 * DAY)
    make_request(session, "nobody")
    denied, held, near = (make_request(session, person) for person in ("ben", "eve", "kim"))
    requests.deny(session, denied.id, reasons=[DenialReason.NO_MATCH], notice="letter 1", now=NOW)
    holds.hold(session, held.id, reason=HoldReason.LEGAL_CLAIMS, now=NOW)
    requests.cancel(session, held.id, reason="taken back", now=NOW)
    zone = ZoneInfo("UTC")
    clocks.escalate(session, now=NOW)
    near.due_at = gdpr_due(NOW, zone=zone)
    clocks.escalate(session, now=near.due_at - timedelta(hours=1))
    clocks.extend(
        session,
        near.id,
        reason=ExtensionReason.COMPLEXITY,
        notice="letter 2",
        zone=zone,
        now=NOW + DAY,
    )
    clocks.escalate(session, now=near.due_at + DAY)
    failed = make_job(session, parent=versions.live(session, line.id))
    jobs.finish(session, failed, JobState.FAILED, now=NOW)
    job = make_job(session, parent=versions.live(session, line.id))
    escalated(session, job)
    endings.cancel(session, job, now=NOW, retry_seconds=0)


def test_every_type_of_event_is_noted_when_it_happens(session: Session) -> None:
    whatever_can_happen(session)

    assert noted(session) == set(EventType)


def test_nothing_that_is_told_says_who_asked_or_for_what(session: Session) -> None:
    webhook = make_webhook(session)
    whatever_can_happen(session)

    fan_out.fan_out(session, limit=1000, now=NOW)
    session.flush()

    assert set(types(session, webhook)) == set(EventType)
    told = set(re.findall(r"[\w-]+", json.dumps(sent(session, webhook))))
    names = {"ticket", "letter"}
    for person in (*PEOPLE, "nobody"):
        names |= {person, key_of(person).hex()}
        names |= {f"{person}-{place}" for place in range(EACH)}
    assert names & told == set()
    assert all(set(message) == {"type", "timestamp", "data"} for message in sent(session, webhook))
    assert max(len(json.dumps(message)) for message in sent(session, webhook)) < 1000


def test_a_fact_that_is_rolled_back_is_not_told(sessions: sessionmaker[Session]) -> None:
    with transaction(sessions) as session:
        make_version(session)
    with transaction(sessions) as session:
        before = session.scalar(select(func.count()).select_from(WebhookEvent))

    def break_off() -> None:
        with transaction(sessions) as session:
            make_request(session, "ada")
            assert "deletion_request.accepted" in noted(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()

    with transaction(sessions) as session:
        assert session.scalar(select(func.count()).select_from(WebhookEvent)) == before


def test_a_webhook_is_told_of_the_types_that_it_asked_for(session: Session) -> None:
    webhook = make_webhook(session, EventType.VERSION_WITHDRAWN, EventType.JOB_SUCCEEDED)
    forget(session, make_version(session), "ada")

    fan_out.fan_out(session, limit=100, now=NOW)

    assert types(session, webhook) == ["job.succeeded", "model_version.withdrawn"]


def test_a_webhook_for_one_model_is_not_told_of_others(session: Session) -> None:
    dataset = make_dataset(session)
    faces = make_version(session, make_model(session, dataset, "faces"))
    birds = make_model(session, make_dataset(session, "birds", people=("yan", "zed")), "birds")
    make_version(session, birds)
    webhook = make_webhook(session, model=birds)
    forget(session, faces, "ada")
    make_request(session, "zed")

    fan_out.fan_out(session, limit=100, now=NOW)

    assert types(session, webhook) == ["deletion_request.accepted", "model_version.published"]
    assert [m["data"].get("models") for m in sent(session, webhook) if "models" in m["data"]] == [
        ["birds"]
    ]


def test_a_webhook_is_not_told_of_what_was_before_it(session: Session) -> None:
    make_version(session)
    webhook = make_webhook(session, now=NOW + DAY)
    make_request(session, "ada", now=NOW + 2 * DAY)

    fan_out.fan_out(session, limit=100, now=NOW + 2 * DAY)

    assert types(session, webhook) == ["deletion_request.accepted"]


def test_what_nobody_wants_does_not_stay_in_the_outbox(session: Session) -> None:
    forget(session, make_version(session), "ada")
    make_webhook(session, EventType.JOB_FAILED)

    found = fan_out.fan_out(session, limit=100, now=NOW)

    assert found > 0
    assert noted(session) == set()


def test_events_of_types_that_nobody_asked_for_are_dropped_at_once_but_for_withdrawals(
    session: Session,
) -> None:
    forget(session, make_version(session), "ada")
    make_webhook(session, EventType.JOB_SUCCEEDED)

    fan_out.drop_unwanted(session)

    assert noted(session) == {"job.succeeded", "model_version.withdrawn"}


def test_a_withdrawn_version_is_told_with_its_successor_and_where_to_acknowledge(
    session: Session,
) -> None:
    webhook = make_webhook(session, EventType.VERSION_WITHDRAWN)
    version = make_version(session)
    forget(session, version, "ada")

    fan_out.fan_out(session, limit=100, now=NOW)

    assert sent(session, webhook) == [
        {
            "type": "model_version.withdrawn",
            "timestamp": "2026-03-02T12:00:00Z",
            "data": {
                "id": str(version.id),
                "state": "withdrawn",
                "model": "faces",
                "number": 1,
                "path": "/v1/models/faces/versions/1",
                "successor": 2,
                "acknowledge": "/v1/models/faces/versions/1/acknowledgements",
            },
        }
    ]


def test_a_state_that_the_type_does_not_name_is_the_present_one(session: Session) -> None:
    webhook = make_webhook(session, EventType.JOB_ESCALATED)
    escalated(session, make_job(session))

    fan_out.fan_out(session, limit=100, now=NOW)

    (message,) = sent(session, webhook)
    assert message["data"]["state"] == "awaiting_approval"


def test_a_consumers_webhook_is_told_of_withdrawals_whatever_it_was_made_for(
    session: Session,
) -> None:
    version = make_version(session)
    line = model_lines.by_id(session, version.model_id)
    webhook = make_webhook(session, EventType.JOB_FAILED)
    consumers.register(session, line, "pricing", contact="-", webhook=webhook, now=NOW)
    forget(session, version, "ada")

    fan_out.fan_out(session, limit=100, now=NOW)

    assert types(session, webhook) == ["model_version.withdrawn"]


def test_two_clerks_address_every_event_once(
    sessions: sessionmaker[Session], background: Background
) -> None:
    with transaction(sessions) as session:
        webhook = make_webhook(session, EventType.REQUEST_ACCEPTED)
        make_version(session)
        for person in ("ada", "ben", "eve", "kim"):
            make_request(session, person)

    clerks = [
        background(lambda session: fan_out.fan_out(session, limit=100, now=NOW)) for _ in range(4)
    ]
    for clerk in clerks:
        clerk.result()

    with transaction(sessions) as session:
        assert types(session, webhook) == ["deletion_request.accepted"] * 4
        assert turns.waiting(session, now=NOW) == [webhook.id]


def test_two_senders_do_not_have_the_same_turn(
    sessions: sessionmaker[Session], background: Background
) -> None:
    with transaction(sessions) as session:
        webhook = make_webhook(session)
        make_version(session)
        fan_out.fan_out(session, limit=100, now=NOW)

    fences = [
        background(lambda session: turns.take(session, webhook.id, now=NOW)) for _ in range(4)
    ]

    assert sorted(str(fence.result()) for fence in fences) == ["1", "None", "None", "None"]


def test_the_bytes_of_a_message_are_canonical(session: Session) -> None:
    make_version(session)
    event = session.scalars(select(WebhookEvent)).one()

    body = messages.body(event, messages.of(session, event))

    assert body.startswith('{"data":{"id":"')
    assert body.endswith('"timestamp":"2026-03-02T12:00:00Z","type":"model_version.published"}')
