"""Takes the names from samples that stay forgotten; the marks in their place know them again.

A mark is the SHA-256 of the dataset's key and the id. Whoever has the key can test an id, and
nobody can list them; once the key is destroyed, nobody can do either.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Conflict
from app.ledger import entries
from app.ledger.tables import Dataset, Sample
from app.ledger.tombstone_tables import TombstoneKey

KEY_SIZE = 32  # bytes; of a fixed size, so that a key and an id are told apart


class NoTombstoneKey(Conflict):
    """The dataset has no marks, or their key is destroyed already."""

    code = "no_tombstone_key"


def take_names(session: Session, dataset_id: UUID, ordinals: Bitmap, *, now: datetime) -> None:
    """Put marks in the place of these samples' ids, and a random value in each subject's.

    Samples that were one subject's still are, whose it was cannot be told. The dataset is locked.
    """
    fresh = {"dataset_id": dataset_id, "key": secrets.token_bytes(KEY_SIZE), "made_at": now}
    session.execute(insert(TombstoneKey).values(fresh).on_conflict_do_nothing())
    session.execute(
        text(
            """
            WITH buried AS (
                SELECT ordinal, subject_key FROM samples
                WHERE dataset_id = :dataset AND ordinal = ANY(:ordinals) AND sample_id IS NOT NULL
            ), strangers AS MATERIALIZED (
                SELECT subject_key,
                    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS stand_in
                FROM (SELECT DISTINCT subject_key FROM buried) AS subjects
            )
            UPDATE samples SET
                sample_id = NULL,
                mark = sha256(keys.key || convert_to(sample_id, 'UTF8')),
                subject_key = strangers.stand_in
            FROM buried JOIN strangers USING (subject_key), tombstone_keys keys
            WHERE samples.dataset_id = :dataset AND samples.ordinal = buried.ordinal
                AND keys.dataset_id = :dataset
            """
        ),
        {"dataset": dataset_id, "ordinals": list(ordinals)},
    )


def nameless(session: Session, dataset_id: UUID) -> Bitmap:
    """The samples of which only a mark is left."""
    return Bitmap(
        session.scalars(
            select(Sample.ordinal).where(Sample.dataset_id == dataset_id, Sample.mark.is_not(None))
        )
    )


def known(session: Session, words: Sequence[str]) -> set[str]:
    """Those of these words for which a mark stands, in whichever dataset."""
    rows = session.scalars(
        text(
            """
            SELECT wanted.word
            FROM tombstone_keys k CROSS JOIN unnest(CAST(:words AS text[])) AS wanted (word)
            JOIN samples s ON s.dataset_id = k.dataset_id
                AND s.mark = sha256(k.key || convert_to(wanted.word, 'UTF8'))
            """
        ),
        {"words": list(words)},
    )
    return set(rows)


def destroy_key(session: Session, dataset: Dataset, *, now: datetime) -> None:
    """Make the dataset's marks mean nothing: what they kept out can be imported again as new."""
    session.refresh(dataset, with_for_update=True)
    key = session.get(TombstoneKey, dataset.id)
    if key is None:
        raise NoTombstoneKey(f"the dataset {dataset.name!r} has no key of marks")
    session.delete(key)
    entries.append(
        session,
        "dataset.tombstone_key_destroyed",
        machine="dataset",
        row_id=dataset.id,
        now=now,
        payload={"id": str(dataset.id), "marks": len(nameless(session, dataset.id))},
    )
    session.flush()
