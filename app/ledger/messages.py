"""What a webhook is told of a fact: ids, states and paths, and never who asked (I8)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence.canonical import Json, canonical
from app.ledger import jobs, model_lines, versions
from app.ledger.states import State, VersionState
from app.ledger.tables import DeletionRequest, Erasure, Model
from app.ledger.webhook_tables import WebhookEvent

Data = dict[str, Json]


@dataclass(frozen=True)
class Message:
    """A fact as it is told, and the models that it is about."""

    models: frozenset[UUID]
    data: Data


def of(session: Session, event: WebhookEvent) -> Message:
    """The message on this event, from its row as it is now."""
    match event.kind.partition(".")[0]:
        case "deletion_request":
            return of_request(session, event)
        case "job":
            return of_job(session, event)
        case _:
            return of_version(session, event)


def of_request(session: Session, event: WebhookEvent) -> Message:
    """A request, by its own id alone; the caller's `external_id` may name a person."""
    request = session.get_one(DeletionRequest, event.row_id)
    owing = session.execute(
        select(Model.id, Model.name)
        .join(Erasure, Erasure.model_id == Model.id)
        .where(Erasure.request_id == request.id)
        .order_by(Model.name)
    ).all()
    data: Data = {
        "id": str(request.id),
        "state": entered(event, request.state),
        "due_at": spelled(request.due_at),
        "models": [name for _, name in owing],
        "path": f"/v1/deletion-requests/{request.id}",
    }
    return Message(frozenset(model_id for model_id, _ in owing), data)


def of_job(session: Session, event: WebhookEvent) -> Message:
    """A job, of whatever kind."""
    job = jobs.get(session, event.row_id)
    data: Data = {
        "id": str(job.id),
        "state": entered(event, job.state),
        "kind": job.kind.value,
        "model": job.model.name,
        "path": f"/v1/jobs/{job.id}",
    }
    return Message(frozenset({job.model_id}), data)


def of_version(session: Session, event: WebhookEvent) -> Message:
    """A version; of one that was withdrawn, also what to use instead and where to acknowledge."""
    version = versions.by_id(session, event.row_id)
    model = model_lines.by_id(session, version.model_id).name
    path = f"/v1/models/{model}/versions/{version.number}"
    data: Data = {
        "id": str(version.id),
        "state": (state := entered(event, version.state)),
        "model": model,
        "number": version.number,
        "path": path,
    }
    if state == VersionState.WITHDRAWN and version.successor_id is not None:
        data["successor"] = versions.by_id(session, version.successor_id).number
        data["acknowledge"] = f"{path}/acknowledgements"
    return Message(frozenset({version.model_id}), data)


def entered(event: WebhookEvent, state: State) -> str:
    """The state that the event's type names, or else the present one."""
    named = event.kind.partition(".")[2]
    return named if named in set(type(state)) else state.value


def body(event: WebhookEvent, message: Message) -> str:
    """The message's bytes, as text: written once, so that every attempt sends the same."""
    told: Data = {"type": event.kind, "timestamp": spelled(event.at), "data": message.data}
    return canonical(told).decode()


def spelled(moment: datetime) -> str:
    """A moment in UTC (RFC 3339)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
