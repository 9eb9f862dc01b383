"""What single intake is measured against: FastAPI with the same writes, and no thought at all.

Each is a statement of its own, as somebody would write it down first. Those that count calls and
requests are among them; what only reads is not.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.bitmap import Bitmap
from app.db import transaction

ENTRY = text(
    "INSERT INTO ledger_entries (kind, hour, commitment, machine, row_id, revision)"
    " VALUES (:kind, :now, :commitment, :machine, :row, :revision) RETURNING id"
)
PAYLOAD = text("INSERT INTO ledger_payloads (entry_id, salt, payload) VALUES (:id, :salt, :text)")
REQUEST = text(
    "INSERT INTO deletion_requests (id, state, revision, subject_key, sample_count, law,"
    " received_at, due_at) VALUES (:id, 'received', 0, :key, :count, 'gdpr', :now, :due)"
)
ACCEPT = text("UPDATE deletion_requests SET state = 'accepted', revision = 1 WHERE id = :id")
SAMPLES = text("INSERT INTO request_samples VALUES (:id, :dataset, :samples)")
BURY = text("INSERT INTO tombstones SELECT :dataset, unnest(CAST(:ordinals AS integer[])), :now")
EVENT = text(
    "INSERT INTO webhook_events (id, kind, row_id, at)"
    " VALUES (:id, 'deletion_request.accepted', :row, :now)"
)
ERASURE = text(
    "INSERT INTO erasures (id, request_id, model_id, state, revision, samples, due_at, created_at)"
    " VALUES (:id, :request, :model, 'pending', 0, :samples, :due, :now)"
)
CALL = text(
    "INSERT INTO rate_buckets (caller, empty_at) VALUES (:caller, :now)"
    " ON CONFLICT (caller) DO UPDATE SET empty_at = :now"
)
COMMITMENT = text("INSERT INTO sample_commitments VALUES (:id, :count, :root, :key)")


class Asked(BaseModel):
    """As the service's own route takes it."""

    subject: str


def bare(
    sessions: sessionmaker[Session], dataset: UUID, model: UUID, people: dict[str, list[int]]
) -> FastAPI:
    """An application with one route; whose samples are whose stands in memory."""
    app = FastAPI()

    @app.post("/v1/deletion-requests", status_code=202)
    def submit(body: Asked) -> dict[str, Any]:
        ordinals = people[body.subject]
        with transaction(sessions) as session:
            return {"id": write(session, dataset, model, ordinals), "state": "accepted"}

    return app


def write(session: Session, dataset: UUID, model: UUID, ordinals: list[int]) -> UUID:
    """The INSERTs and UPDATEs of one request, in their order."""
    now = datetime.now(UTC)
    request, erasure, due = uuid4(), uuid4(), now + timedelta(days=30)
    samples = Bitmap(ordinals).to_bytes()

    def run(statement: Any, **values: Any) -> None:
        session.execute(statement, values)

    def enter(machine: str, row: UUID, revision: int) -> None:
        facts = {"kind": f"{machine}.x", "commitment": bytes(32), "machine": machine}
        entry = session.scalar(ENTRY, facts | {"now": now, "row": row, "revision": revision})
        run(PAYLOAD, id=entry, salt=bytes(32), text="{}" * 100)

    run(CALL, caller="calls testclient", now=now)
    enter("deletion_request", request, 0)
    run(REQUEST, id=request, key=bytes(32), count=len(ordinals), now=now, due=due)
    run(SAMPLES, id=request, dataset=dataset, samples=samples)
    run(BURY, dataset=dataset, ordinals=ordinals, now=now)
    enter("deletion_request", request, 1)
    run(ACCEPT, id=request)
    run(EVENT, id=uuid4(), row=request, now=now)
    enter("erasure", erasure, 0)
    run(ERASURE, id=erasure, request=request, model=model, samples=samples, due=due, now=now)
    enter("receipt", request, 0)
    run(COMMITMENT, id=request, count=len(ordinals), root=bytes(32), key=bytes(32))
    run(CALL, caller="requests testclient", now=now)
    return request
