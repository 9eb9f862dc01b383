"""Looks for broken invariants of what was forgotten, and of weights: I3, I5, I6 and I9."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import cast, exists, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from app.bitmap import Bitmap
from app.ledger import datasets, lineage, model_lines, requests, restoring
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import (
    OPEN_ERASURE_STATES,
    ErasureState,
    RequestState,
    VersionState,
)
from app.ledger.surroundings import Surroundings
from app.ledger.tables import DeletionRequest, Erasure, Job, ModelVersion, RequestSamples


def unproven(session: Session, _: Surroundings) -> Iterator[str]:
    """I3: completed requests without an erasure, or with one that nobody has carried out."""
    carried = exists().where(Erasure.request_id == DeletionRequest.id)
    owed = exists().where(
        Erasure.request_id == DeletionRequest.id,
        Erasure.state.in_((*OPEN_ERASURE_STATES, ErasureState.CANCELLED)),
    )
    empty = session.scalars(
        select(DeletionRequest.id).where(
            DeletionRequest.state == RequestState.COMPLETED, ~carried | owed
        )
    )
    for request_id in empty:
        yield f"request {request_id} is completed, and not all of its erasures were carried out"


def unaudited(session: Session, _: Surroundings) -> Iterator[str]:
    """I3: erasures forgotten by a version that saw them, or that neither audit nor person passed.

    Where a person's word stood instead of a verdict, the step to publication says so.
    """
    approved = exists().where(
        LedgerEntry.row_id == Job.id,
        LedgerEntry.kind == "job.publishing",
        LedgerPayload.entry_id == LedgerEntry.id,
        cast(LedgerPayload.payload, JSONB)["approved"].as_boolean(),
    )
    rows = session.execute(
        select(Erasure, ModelVersion, Job.audit["verdict"].as_string(), approved)
        .outerjoin(ModelVersion, ModelVersion.id == Erasure.version_id)
        .outerjoin(Job, Job.id == ModelVersion.job_id)
        .where(Erasure.state == ErasureState.FORGOTTEN)
    )
    for erasure, version, verdict, by_hand in rows:
        if version is None:
            yield f"erasure {erasure.id} is forgotten, by no version"
        elif left := version.training_set & erasure.samples:
            yield f"erasure {erasure.id}: version {version.id} saw {len(left)} of its samples"
        elif verdict != "pass" and not by_hand:
            yield f"erasure {erasure.id}: version {version.id} has the verdict {verdict}"


def remaining(session: Session, _: Surroundings) -> Iterator[str]:
    """I3: what is in use, or about to be, and holds samples of completed requests."""
    done = session.execute(
        select(RequestSamples.dataset_id, RequestSamples.samples)
        .join(DeletionRequest, DeletionRequest.id == RequestSamples.request_id)
        .where(DeletionRequest.state.in_(requests.COMPLETED))
    )
    samples: dict[UUID, Bitmap] = {}
    for dataset_id, theirs in done:
        samples[dataset_id] = samples.get(dataset_id, Bitmap()) | theirs
    yield from lineage.remnants(session, samples)


def misled(session: Session, _: Surroundings) -> Iterator[str]:
    """I5: aliases on versions that are out of use."""
    yield from restoring.misled_aliases(session)


def misled_before(session: Session, _: Surroundings) -> Iterator[str]:
    """I5: aliases that were moved to a version after it was withdrawn, whatever came then."""
    moved, gone = aliased(LedgerEntry), aliased(LedgerEntry)
    rows = session.execute(
        select(moved.id, moved.row_id)
        .join(gone, gone.row_id == moved.row_id)
        .where(
            moved.kind == "alias.moved",
            gone.kind == "model_version.withdrawn",
            moved.id > gone.id,
        )
    )
    for entry_id, version_id in rows:
        yield f"entry {entry_id} moved an alias to version {version_id}, which was withdrawn"


def came_back(session: Session, _: Surroundings) -> Iterator[str]:
    """I6: what holds forgotten samples and could be used to train on them, or was made of them."""
    for dataset in datasets.listed(session):
        yield from restoring.unburied(session, dataset)
    for line in model_lines.listed(session):
        yield from restoring.in_model(session, line)


def relapsed(session: Session, _: Surroundings) -> Iterator[str]:
    """I6: versions, also those that are gone, that saw what an earlier one had forgotten."""
    forgot, later = aliased(ModelVersion), aliased(ModelVersion)
    rows = session.execute(
        select(Erasure, later)
        .join(forgot, forgot.id == Erasure.version_id)
        .join(later, (later.model_id == forgot.model_id) & (later.number > forgot.number))
        .where(Erasure.state == ErasureState.FORGOTTEN)
    )
    for erasure, version in rows:
        if back := version.training_set & erasure.samples:
            yield f"version {version.id} saw {len(back)} samples that erasure {erasure.id} forgot"


def unmoved(session: Session, _: Surroundings) -> Iterator[str]:
    """I9: versions that a job made and whose weights are their parent's, or must be and are not."""
    parent = aliased(ModelVersion)
    same = ModelVersion.weights_digest == parent.weights_digest
    reasons = func.coalesce(func.jsonb_array_length(Job.decision["reasons"]), 0)
    rows = session.execute(
        select(ModelVersion.id, ModelVersion.made_by, same)
        .join(parent, parent.id == ModelVersion.parent_id)
        .join(Job, Job.id == ModelVersion.job_id)
        .where(
            ((ModelVersion.made_by == "none") != same)
            | ((ModelVersion.made_by == "none") & (reasons == 0))
        )
    )
    for version_id, made_by, kept in rows:
        how = "kept" if kept else "changed"
        yield f"version {version_id} was made by the route {made_by!r}; its weights were {how}"


def misplaced(session: Session, around: Surroundings) -> Iterator[str]:
    """I9: weights in use that the store has not, and purged ones that it still has."""
    states: dict[str, set[VersionState]] = {}
    for digest, state in session.execute(select(ModelVersion.weights_digest, ModelVersion.state)):
        states.setdefault(digest, set()).add(state)
    for digest, all_states in states.items():
        there = around.stored(digest)
        if VersionState.PUBLISHED in all_states and not there:
            yield f"the weights {digest} are in use, and the store does not have them"
        if all_states == {VersionState.PURGED} and there:
            yield f"the weights {digest} were purged, and the store has them"
