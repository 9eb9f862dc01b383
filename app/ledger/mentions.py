"""Looks for people and samples in what leaves the ledger: payloads, webhooks, logs (I8).

Every word is tried: as a subject, by the keyed hash under which the ledger knows people, and as a
sample's id, an outside id, or a subject's key. Shorter words than these would be met by chance.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import LargeBinary, String

from app.ledger import marks
from app.ledger.log_tables import LedgerPayload
from app.ledger.surroundings import Surroundings
from app.ledger.tables import DeletionRequest, Sample
from app.ledger.webhook_tables import WebhookEvent

WORD = re.compile(r"[\w@.+-]{6,512}")
AT_ONCE = 5_000  # words in one query


def named(session: Session, around: Surroundings) -> Iterator[str]:
    """I8: where a person or a sample is named. The finding does not repeat the name."""
    places: dict[str, str] = {}
    for place, line in lines(session, around):
        for word in WORD.findall(line):
            places.setdefault(word.strip(".-"), place)
    words = iter(places)
    while chunk := list(islice(words, AT_ONCE)):
        for word, what in known(session, around, chunk):
            yield f"{places[word]} names {what}"


def lines(session: Session, around: Surroundings) -> Iterator[tuple[str, str]]:
    """Where from, and a text of it."""
    payloads = session.execute(select(LedgerPayload.entry_id, LedgerPayload.payload))
    for entry_id, payload in payloads:
        yield f"entry {entry_id}", payload
    events = select(WebhookEvent.id, WebhookEvent.body).where(WebhookEvent.body.is_not(None))
    for event_id, body in session.execute(events):
        yield f"webhook event {event_id}", str(body)
    yield from around.told


def known(
    session: Session, around: Surroundings, words: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Those words that name somebody or something, and what."""
    listed = list(words)
    texts = any_(literal(listed, ARRAY(String)))
    for sample_id in session.scalars(select(Sample.sample_id).where(Sample.sample_id == texts)):
        yield str(sample_id), "a sample"
    for sample_id in marks.known(session, listed):
        yield sample_id, "a sample that was forgotten"
    outside = select(DeletionRequest.external_id).where(DeletionRequest.external_id == texts)
    for external_id in session.scalars(outside):
        yield str(external_id), "a request's outside id"
    by_key = {around.key_of(word): word for word in listed if word}
    by_key |= {bytes.fromhex(word): word for word in listed if re.fullmatch("[0-9a-f]{64}", word)}
    keys = any_(literal(list(by_key), ARRAY(LargeBinary)))
    subjects = select(Sample.subject_key).where(Sample.subject_key == keys).distinct()
    for key in session.scalars(subjects):
        yield by_key[key], "a subject"
