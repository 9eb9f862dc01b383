"""Looks, after a database was put back, for every way in which something forgotten came with it.

Nothing is repaired: what is found is told in words, for whoever put the database back.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canaries, datasets, model_lines, references, requests, versions
from app.ledger.policy import Policy
from app.ledger.states import (
    ACTIVE_JOB_STATES,
    OPEN_ERASURE_STATES,
    JobKind,
    VersionState,
)
from app.ledger.tables import Alias, Dataset, Erasure, Job, Model, ModelVersion, Sample

Stored = Callable[[str], bool]  # whether the store has weights of this digest
UNUSABLE = (VersionState.WITHDRAWN, VersionState.PURGED)


def came_back(session: Session, *, stored: Stored, now: datetime) -> list[str]:
    """In words: what holds a forgotten sample, or could be used again to reach one."""
    found = [
        finding for dataset in datasets.listed(session) for finding in unburied(session, dataset)
    ]
    for line in model_lines.listed(session):
        found += in_use(session, line)
        found += in_the_making(session, line)
        found += in_references(session, line)
        found += in_canaries(session, line)
    return [*found, *misled_aliases(session), *kept_weights(session, stored, now=now)]


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


def in_use(session: Session, line: Model) -> Iterator[str]:
    """Published versions, uploaded ones too, that saw what was forgotten."""
    gone = settled(session, line)
    for version in versions.listed(session, line):
        if version.state is VersionState.PUBLISHED and (back := version.training_set & gone):
            yield (
                f"version {version.number} of {line.name!r} is in use and saw {len(back)} "
                "forgotten samples, which no open erasure covers"
            )


def in_the_making(session: Session, line: Model) -> Iterator[str]:
    """Active jobs whose new version would hold what was forgotten before they were queued."""
    active = session.scalars(
        select(Job).where(
            Job.model_id == line.id,
            Job.kind.in_((JobKind.TRAIN, JobKind.UNLEARN)),
            Job.state.in_(ACTIVE_JOB_STATES),
        )
    )
    for job in active:
        # A training that is under way when a request comes is repeated before it is published.
        gone = (
            settled(session, line) if job.kind is JobKind.UNLEARN else buried_before(session, job)
        )
        if back := job.training_set & gone:
            yield (
                f"job {job.id} of {line.name!r} makes a version that would see {len(back)} "
                "forgotten samples"
            )


def buried_before(session: Session, job: Job) -> Bitmap:
    """What lay on the tombstones when a first training was queued."""
    return Bitmap(
        session.scalars(
            select(Sample.ordinal)
            .join(Model, Model.dataset_id == Sample.dataset_id)
            .where(Model.id == job.model_id, Sample.tombstoned_at < job.created_at)
        )
    )


def in_references(session: Session, line: Model) -> Iterator[str]:
    """Tables of references that tell of what was forgotten."""
    if count := sum(references.telling(session, line.id, settled(session, line)).values()):
        yield f"references of {line.name!r} that tell of forgotten samples: {count}"


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


def over(version: ModelVersion, line: Model, *, now: datetime) -> bool:
    """Whether a version's weights should be gone."""
    return version.state is VersionState.PURGED or (
        version.state is VersionState.WITHDRAWN
        and versions.grace_is_over(version.withdrawn_at, Policy.of(line.policy), now=now)
    )
