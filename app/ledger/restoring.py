"""Looks, after a database was put back, for every way in which something forgotten came with it.

Nothing is repaired: what is found is told in words, for whoever put the database back.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import (
    canaries,
    datasets,
    jobs,
    lineage,
    model_lines,
    requests,
    stored_weights,
    versions,
)
from app.ledger.lineage import Saw, Trace
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.policy import Policy
from app.ledger.states import OPEN_ERASURE_STATES, DerivedState, VersionState
from app.ledger.tables import Alias, Dataset, Erasure, Model, ModelVersion

Stored = Callable[[str], bool]  # whether the store has weights of this digest
UNUSABLE = (VersionState.WITHDRAWN, VersionState.PURGED)


def came_back(session: Session, *, stored: Stored, now: datetime) -> list[str]:
    """In words: what holds a forgotten sample, or could be used again to reach one."""
    found = [
        finding for dataset in datasets.listed(session) for finding in unburied(session, dataset)
    ]
    for line in model_lines.listed(session):
        found += in_model(session, line)
    found += misled_aliases(session)
    found += kept_weights(session, stored, now=now)
    found += removed_weights(session, stored)
    return found


def unburied(session: Session, dataset: Dataset) -> Iterator[str]:
    """Samples that requests in force want forgotten, and that no tombstone keeps out."""
    if lost := forgotten(session, dataset) - datasets.tombstones(session, dataset.id):
        yield (
            f"{len(lost)} samples of the dataset {dataset.name!r} were forgotten and have no "
            "tombstone: they could be trained on again"
        )


def forgotten(session: Session, dataset: Dataset) -> Bitmap:
    """All samples that must not come back, whichever table still says so."""
    return (
        datasets.tombstones(session, dataset.id)
        | requests.claimed_by_others(session, dataset.id)
        | datasets.buried_for_good(session, dataset.id)
    )


def settled(session: Session, line: Model) -> Bitmap:
    """What a model must have forgotten by now: no open erasure is still going to see to it."""
    owed = session.scalars(
        select(Erasure.samples).where(
            Erasure.model_id == line.id, Erasure.state.in_(OPEN_ERASURE_STATES)
        )
    )
    left = forgotten(session, line.dataset)
    for samples in owed:
        left -= samples
    return left


def in_model(session: Session, line: Model) -> Iterator[str]:
    """What a model has of samples that it must have forgotten by now."""
    found = lineage.trace(session, line, settled(session, line))
    yield from in_use(found)
    yield from aside(found)
    yield from in_the_making(found)
    yield from in_canaries(session, line)


def in_use(found: Trace) -> Iterator[str]:
    """Published versions, uploaded ones too, that saw what was forgotten; and their children."""
    for each in found.seen:
        if each.saw is not Saw.TRAINED_ON:
            continue
        called = f"version {each.version.number} of {found.line.name!r}"
        if each.version.state is VersionState.PUBLISHED:
            back = each.version.training_set & found.samples
            yield (
                f"{called} is in use and saw {len(back)} forgotten samples, which no open erasure "
                "covers"
            )
        for child in each.derived:
            if child.row.state is DerivedState.IN_USE:
                yield f"{child.row.name!r}, derived from {called}, which saw them, is in use"


def aside(found: Trace) -> Iterator[str]:
    """Tables of references and logs of trainings, and weights of jobs, that tell of the samples."""
    model = found.line.name
    if count := sum(each.references for each in found.seen):
        yield f"references of {model!r} that tell of forgotten samples: {count}"
    if count := sum(each.logged for each in found.seen):
        yield f"logs of trainings of {model!r} that tell of forgotten samples: {count}"
    for stored in found.unpublished:
        if stored.saw is Saw.TRAINED_ON and stored.weights.released_at is None:
            yield (
                f"weights that job {stored.weights.job_id} of {model!r} stored and did not publish "
                "saw forgotten samples, and are not released"
            )


def in_the_making(found: Trace) -> Iterator[str]:
    """Active jobs whose new version would hold what was forgotten."""
    for job in found.jobs:
        back = job.training_set & found.samples
        if back and job.kind in jobs.MAKING_VERSIONS:
            yield (
                f"job {job.id} of {found.line.name!r} makes a version that would see {len(back)} "
                "forgotten samples"
            )


def in_canaries(session: Session, line: Model) -> Iterator[str]:
    """Canaries that were forgotten as persons and are still kept as canaries."""
    gone = forgotten(session, line.dataset)
    if canaries.holding(session, {line.dataset_id: gone}, model_id=line.id):
        yield f"canaries of {line.name!r} that have forgotten samples"


def misled_aliases(session: Session) -> Iterator[str]:
    """Names that lead consumers to a version which was taken out of use."""
    rows = session.execute(
        select(Alias.name, ModelVersion, Model.name)
        .join(ModelVersion, ModelVersion.id == Alias.version_id)
        .join(Model, Model.id == Alias.model_id)
        .where(ModelVersion.state.in_(UNUSABLE))
        .order_by(Model.name, Alias.name)
    )
    for alias, version, model in rows:
        yield (
            f"the alias {alias!r} of {model!r} leads to version {version.number}, which is "
            f"{version.state}"
        )


def kept_weights(session: Session, stored: Stored, *, now: datetime) -> Iterator[str]:
    """Weights that should be gone and lie in the store, or are in use and do not."""
    by_digest: dict[str, list[tuple[ModelVersion, Model]]] = {}
    rows = session.execute(
        select(ModelVersion, Model)
        .join(Model, Model.id == ModelVersion.model_id)
        .order_by(Model.name, ModelVersion.number)
    )
    for version, line in rows:
        by_digest.setdefault(version.weights_digest, []).append((version, line))
    for digest, owners in by_digest.items():
        version, line = owners[-1]
        called = f"the weights {digest[:12]}… of version {version.number} of {line.name!r}"
        there = stored(digest)
        if there and all(over(each, its_line, now=now) for each, its_line in owners):
            yield f"{called} lie in the store, and their time is over"
        if not there and any(each.state is VersionState.PUBLISHED for each, _ in owners):
            yield f"{called} are in use, and the store does not have them"


def removed_weights(session: Session, stored: Stored) -> Iterator[str]:
    """Weights of jobs that were removed, as entries say, and lie in the store again.

    A backup of the store may bring them, and no version or row tells of them any more.
    """
    payloads = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.kind == f"{stored_weights.MACHINE}.removed")
    )
    removed = {str(json.loads(payload)["weights_sha256"]) for payload in payloads}
    for digest in sorted(stored_weights.strange(session, removed)):
        if stored(digest):
            yield (
                f"the weights {digest[:12]}… that a job had stored and not published were removed, "
                "and lie in the store again"
            )


def over(version: ModelVersion, line: Model, *, now: datetime) -> bool:
    """Whether a version's weights should be gone."""
    return version.state is VersionState.PURGED or (
        version.state is VersionState.WITHDRAWN
        and versions.grace_is_over(version.withdrawn_at, Policy.of(line.policy), now=now)
    )
