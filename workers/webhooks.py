"""Tells webhooks what happened: the clerk addresses messages, the courier posts them."""

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from app import crashing, opendsr_signing, webhook_signing
from app.config import Settings
from app.db import transaction
from app.egress import Rules
from app.ledger import deliveries, fan_out, turns
from app.ledger.turns import Letter
from app.ledger.webhook_tables import AttemptOutcome, Signing
from app.queue import POST_MESSAGES
from workers.posting import Poster
from workers.station import Station

log = structlog.get_logger()
ADDRESSED_AT_ONCE = 100  # events in one transaction
MOST_BATCHES = 4  # in one sweep, which the sequencer waits for; the next goes on
MOST_ATTEMPTS = 50  # in one turn; the other webhooks wait for the courier too


def address(station: Station) -> None:
    """Make deliveries of what has happened, ring for those that are due, forget the old ones."""
    with transaction(station.sessions) as session:
        fan_out.drop_unwanted(session)
    for _ in range(MOST_BATCHES):
        with transaction(station.sessions) as session:
            found = fan_out.fan_out(session, limit=ADDRESSED_AT_ONCE, now=station.clock())
        if found < ADDRESSED_AT_ONCE:
            break
    kept = timedelta(days=station.settings.webhook_log_days)
    with transaction(station.sessions) as session:
        deliveries.forget(session, before=station.clock() - kept)
        waiting = turns.waiting(session, now=station.clock())
    for webhook_id in waiting:
        station.queue.ring(POST_MESSAGES, webhook_id)


def poster(station: Station) -> Poster:
    """How this installation lets messages leave."""
    return Poster(Rules.of(station.settings), timeout=station.settings.webhook_timeout_seconds)


def post_messages(station: Station, webhook_id: UUID, poster: Poster) -> None:
    """Take a turn at one webhook: one message after the other, until none is due."""
    webhook_signing.pepper_of(station.settings)  # without it no attempt may be counted
    with transaction(station.sessions) as session:
        fence = turns.take(session, webhook_id, now=station.clock())
    if fence is None:
        return
    for _ in range(MOST_ATTEMPTS):
        with transaction(station.sessions) as session:
            letter = turns.begin(session, webhook_id, fence, now=station.clock())
        if letter is None:
            break
        attempt(station, letter, poster)
    with transaction(station.sessions) as session:
        turns.end(session, webhook_id, fence)


def attempt(station: Station, letter: Letter, poster: Poster) -> None:
    """Post one message, with no transaction open meanwhile, and write down what came of it."""
    crashing.at("webhook.before_post")
    told = headers(letter, station.settings, at=station.clock())
    answer = poster.post(letter.url, letter.body, told)
    crashing.at("webhook.after_post")
    with transaction(station.sessions) as session:
        turns.settle(session, letter, answer, now=station.clock())
    crashing.at("webhook.after_commit")
    if answer.outcome is not AttemptOutcome.DELIVERED:
        log.warning(
            "webhook_not_taken",
            webhook=str(letter.webhook_id),
            delivery=str(letter.delivery_id),
            attempt=letter.number,
            outcome=answer.outcome.value,
            status=answer.status,
        )


def headers(letter: Letter, settings: Settings, *, at: datetime) -> dict[str, str]:
    """What goes with a message: what it is, and what proves whom it is from."""
    common = {"content-type": "application/json", "user-agent": "Lacuna"}
    if letter.signing is Signing.OPENDSR:
        return common | opendsr_signing.required(settings).headers(letter.body)
    pepper = webhook_signing.pepper_of(settings)
    return common | webhook_signing.headers(
        [webhook_signing.key(pepper, letter.webhook_id, number) for number in letter.keys],
        letter.signing,
        message_id=deliveries.message_id(letter.delivery_id),
        at=at,
        body=letter.body,
    )
