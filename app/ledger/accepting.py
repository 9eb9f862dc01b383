"""Writes what requests come to when they are accepted, however many they are."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.ledger.log_tables import SampleCommitment
from app.ledger.requests import Samples
from app.ledger.tables import DeletionRequest, Erasure

ACCEPT = text(
    """
    WITH accepted AS (
        UPDATE deletion_requests AS request
        SET state = 'accepted', revision = revision + 1, sample_count = told.samples
        FROM unnest(CAST(:ids AS uuid[]), CAST(:sizes AS integer[])) AS told (id, samples)
        WHERE request.id = told.id
    ), committed AS (
        INSERT INTO sample_commitments (owner_id, count, root, key)
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:counts AS integer[]), CAST(:roots AS bytea[]),
            CAST(:keys AS bytea[])
        )
    ), claimed AS (
        INSERT INTO request_samples (request_id, dataset_id, samples)
        SELECT * FROM unnest(
            CAST(:claiming AS uuid[]), CAST(:datasets AS uuid[]), CAST(:claimed AS bytea[])
        )
    )
    INSERT INTO erasures
        (id, request_id, model_id, samples, due_at, state, revision, created_at)
    SELECT owed.*, 'pending', 0, :now FROM unnest(
        CAST(:erasures AS uuid[]), CAST(:owing AS uuid[]), CAST(:models AS uuid[]),
        CAST(:owed AS bytea[]), CAST(:due AS timestamptz[])
    ) AS owed
    """
)
END = text(
    """
    UPDATE deletion_requests
    SET state = 'completed_no_data', revision = revision + 1, finished_at = :finished_at
    WHERE id = ANY(:ids)
    """
)


def write(
    connection: Connection,
    made: Sequence[DeletionRequest],
    samples: Sequence[Samples],
    committed: Sequence[SampleCommitment],
    *,
    now: datetime,
) -> None:
    """Write that requests count, what they claim and commit to, and what is owed to them."""
    claims = [
        (request.id, dataset_id, ordinals.to_bytes())
        for request, theirs in zip(made, samples, strict=True)
        for dataset_id, ordinals in theirs.items()
        if ordinals
    ]
    owed = owed_to(made)
    values = {
        "ids": [request.id for request in made],
        "sizes": [request.sample_count for request in made],
        "counts": [each.count for each in committed],
        "roots": [each.root for each in committed],
        "keys": [each.key for each in committed],
        "claiming": [request_id for request_id, _, _ in claims],
        "datasets": [dataset_id for _, dataset_id, _ in claims],
        "claimed": [ordinals for _, _, ordinals in claims],
        "erasures": [each.id for each in owed],
        "owing": [each.request_id for each in owed],
        "models": [each.model_id for each in owed],
        "owed": [each.samples.to_bytes() for each in owed],
        "due": [each.due_at for each in owed],
        "now": now,
    }
    connection.execute(ACCEPT, values)


def end(connection: Connection, ids: Sequence[UUID], *, now: datetime) -> None:
    """Write that accepted requests are completed, for no model saw their samples."""
    connection.execute(END, {"ids": list(ids), "finished_at": now})


def owed_to(made: Iterable[DeletionRequest]) -> list[Erasure]:
    """The erasures of these requests."""
    return [erasure for request in made for erasure in request.erasures]
