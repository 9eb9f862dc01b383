"""What receipts state: the predicates of docs/receipts.md, from rows. They name no person.

Left out on purpose: the subject's hash, the sample ids and the `external_id`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app import build
from app.bitmap import Bitmap
from app.evidence.canonical import digest
from app.evidence.statement import Statement
from app.ledger import forget_sets, versions
from app.ledger.derived import Child
from app.ledger.log_tables import SampleCommitment
from app.ledger.states import ErasureState, VersionState
from app.ledger.tables import DeletionRequest, Erasure, Job, Model, ModelVersion

AUDITED = (
    *("verdict", "sentences", "numbers", "samples", "references", "destroyed"),
    *("attacks", "changes"),
)
DECIDED = ("route", "reasons", "numbers", "thresholds", "escalated_from")
LARGEST_INTEGER = 2**53 - 1  # that canonical JSON can say


def accepted(request: DeletionRequest, forget_set: SampleCommitment, *, now: datetime) -> Statement:
    """That a request was accepted, by when it will be answered, and which models owe an erasure.

    There are no new weights yet, so the statement is about the set of samples itself.
    """
    predicate = {
        **of_request("accepted", request, forget_set),
        "accepted_at": moment(now),
        "models": [
            {"model": erasure.model.name, "samples": len(erasure.samples)}
            for erasure in request.erasures
        ],
        "software": dict(build.software()),
    }
    return Statement({"forget-set": forget_set.root.hex()}, predicate)


def completed(
    session: Session,
    request: DeletionRequest,
    forget_set: SampleCommitment,
    reached: Sequence[Child],
    *,
    now: datetime,
) -> Statement:
    """What a request came to at every model; it is about the weights that are in use now.

    About the set of samples itself, where no model had seen any. `reached`: what was derived
    elsewhere from versions that saw them, whether or not their owners have confirmed anything.
    """
    outcomes = [outcome(session, erasure) for erasure in request.erasures]
    subjects = {
        f"{one['model']}-{one['version']['number']}.safetensors": one["version"]["weights_sha256"]
        for one in outcomes
    }
    predicate = {
        **of_request("completed", request, forget_set),
        "completed_at": moment(now),
        "outcomes": outcomes,
        "derived": [derivation(child) for child in reached],
        "software": dict(build.software()),
    }
    return Statement(subjects or {"forget-set": forget_set.root.hex()}, predicate)


def denied(
    request: DeletionRequest, forget_set: SampleCommitment, reasons: Sequence[str], *, now: datetime
) -> Statement:
    """That a request was refused, and why; there are no weights, as at acceptance."""
    predicate = {
        **of_request("denied", request, forget_set),
        "denied_at": moment(now),
        "reasons": list(reasons),
        "software": dict(build.software()),
    }
    return Statement({"forget-set": forget_set.root.hex()}, predicate)


def of_request(
    event: str, request: DeletionRequest, forget_set: SampleCommitment
) -> dict[str, Any]:
    """What both statements say of the request."""
    return {
        "event": event,
        "requests": [str(request.id)],
        "forget_set": committed(forget_set),
        "law": request.law.value,
        "received_at": moment(request.received_at),
        "confirm_by": request.confirm_by and moment(request.confirm_by),
        "due_at": moment(request.due_at),
    }


def outcome(session: Session, erasure: Erasure) -> dict[str, Any]:
    """What one model did: it forgot the samples, or what it serves had not seen them."""
    line = session.get_one(Model, erasure.model_id)
    version = serving(session, erasure)
    return {
        "model": line.name,
        "outcome": erasure.state.value,
        "samples": len(erasure.samples),
        "version": identified(version)
        | {
            "made_by": version.made_by,
            "training_set_sha256": version.training_set_digest,
            "training_set_size": len(version.training_set),
            "created_at": moment(version.created_at),
        },
        "withdrawn": withdrawn(session, line, erasure.samples),
        "job": work(session, session.get_one(Job, erasure.job_id)) if erasure.job_id else None,
    }


def derivation(child: Child) -> dict[str, Any]:
    """A version that is not in our hands, and what of it is outstanding."""
    row = child.row
    return {
        "id": str(row.id),
        "name": row.name,
        "model": child.line.name,
        "version": child.parent.number,
        "how": row.how.value,
        "weights_sha256": row.weights_digest,
        "state": row.state.value,
        "withdrawn_at": row.withdrawn_at and moment(row.withdrawn_at),
        "confirmed_at": row.confirmed_at and moment(row.confirmed_at),
    }


def serving(session: Session, erasure: Erasure) -> ModelVersion:
    """The version that forgot the samples, or the live one where none had to."""
    if erasure.state is ErasureState.FORGOTTEN:
        assert erasure.version_id is not None
        return versions.by_id(session, erasure.version_id)
    live = versions.live(session, erasure.model_id)
    assert live is not None  # erasures are owed by models with a published version only
    return live


def withdrawn(session: Session, line: Model, samples: Bitmap) -> list[dict[str, Any]]:
    """Every version that saw one of these samples; none may be in use any more (I3)."""
    saw = [each for each in versions.listed(session, line) if each.training_set & samples]
    assert all(each.state is not VersionState.PUBLISHED for each in saw)
    return [
        identified(each) | {"withdrawn_at": moment(each.withdrawn_at)}
        for each in saw
        if each.withdrawn_at is not None
    ]


def work(session: Session, job: Job) -> dict[str, Any]:
    """How a job went: what was decided before the run, how it was run, what the audit found."""
    assert job.parent_version_id is not None
    assert job.decision is not None
    parent = versions.by_id(session, job.parent_version_id)
    line = session.get_one(Model, job.model_id)
    made_with = (job.run or {}).get("made_with", {})
    configured = configuration(line, job)
    samples = {line.dataset_id: job.forget_set}
    return {
        "id": str(job.id),
        "forget_set": committed(forget_sets.committed(session, job.id, samples)),
        "parent": identified(parent),
        "decision": picked(job.decision, *DECIDED),
        "method": job.decision["route"],
        "seed": job.seed,
        "configuration": configured,
        "configuration_sha256": digest(configured).hex(),
        "software": made_with.get("software"),
        "hardware": made_with.get("hardware"),
        "audit": None if job.audit is None else audited(job.audit),
        "created_at": moment(job.created_at),
        "started_at": job.started_at and moment(job.started_at),
    }


def configuration(line: Model, job: Job) -> dict[str, Any]:
    """What was set: the recipe, the method's knobs, the policy decided by, the audit's thresholds.

    Jobs from before decisions kept their policy state the model's present one.
    """
    decision = job.decision or {}
    told: dict[str, Any] = {
        "recipe": line.recipe,
        "settings": (job.run or {}).get("made_with", {}).get("settings"),
        "policy": decision.get("policy", line.policy) if decision else None,
        "audit_thresholds": (job.audit or {}).get("thresholds"),
    }
    spoken_of: dict[str, Any] = spoken(told)
    return spoken_of


def audited(report: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict, what it rests on with its intervals, and how good each network is as a whole."""
    whole = [
        {name: value for name, value in row.items() if name != "group"}
        for row in report.get("utility", [])
        if row["stratum"] is None and row.get("group") is None
    ]
    return picked(report, *AUDITED) | {"utility": spoken(whole)}


def picked(facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: spoken(facts[name]) for name in names if name in facts}


def spoken(value: Any) -> Any:
    """A value from the database as canonical JSON can say it.

    The database gives a number such as 1e17 back as an integer, of which it can say fewer.
    """
    match value:
        case dict():
            return {name: spoken(member) for name, member in value.items()}
        case list():
            return [spoken(member) for member in value]
        case int() if abs(value) > LARGEST_INTEGER:
            return float(value)
    return value


def identified(version: ModelVersion) -> dict[str, Any]:
    return {"number": version.number, "weights_sha256": version.weights_digest}


def committed(forget_set: SampleCommitment) -> dict[str, Any]:
    return {"count": forget_set.count, "sha256": forget_set.root.hex()}


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
