"""From a sample to all that saw or still hold it: versions, aliases, references, jobs, children,
and weights that jobs have stored.

A version saw a sample itself, or through the weights it was made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import UnknownSamples
from app.ledger import (
    canaries,
    datasets,
    derived,
    references,
    stored_weights,
    training_logs,
    versions,
)
from app.ledger.derived import Child
from app.ledger.states import ACTIVE_JOB_STATES, DerivedState, JobKind
from app.ledger.stored_tables import StoredWeights
from app.ledger.tables import Alias, Job, Model, ModelVersion

ANEW = ("trained", "retrain")  # made from fresh weights, whatever the parent saw


class Incomplete(Exception):
    """A request was about to be called completed while something still holds its samples."""


class Saw(StrEnum):
    """How a version has to do with a sample."""

    TRAINED_ON = "trained_on"
    DESCENDED = "descended"  # made to forget it, starting from weights that had seen it


@dataclass(frozen=True)
class Seen:
    """A version that has to do with a sample, and by what it reaches further."""

    version: ModelVersion
    saw: Saw
    aliases: list[str]
    references: int  # whose table still tells of the sample
    derived: list[Child]  # elsewhere


def saw(session: Session, line: Model, sample_id: str) -> list[Seen]:
    """The versions of a model that have to do with a sample of its dataset, oldest first."""
    ordinal = ordinal_of(session, line, sample_id)
    telling = references.telling(session, line.id, Bitmap([ordinal]))
    found: dict[UUID, Seen] = {}
    for version in versions.listed(session, line):  # parents stand before their children
        if ordinal in version.training_set:
            how = Saw.TRAINED_ON
        elif version.parent_id in found and version.made_by not in ANEW:
            how = Saw.DESCENDED
        else:
            continue
        names = versions.aliases_of(session, version)
        found[version.id] = Seen(version, how, names, telling.get(version.id, 0), [])
    for version_id, children in derived.of_versions(session, found).items():
        found[version_id].derived.extend(children)
    return list(found.values())


@dataclass(frozen=True)
class Unpublished:
    """Weights in the store that have to do with a sample and are no version's."""

    weights: StoredWeights
    saw: Saw


def unpublished(session: Session, line: Model, sample_id: str) -> list[Unpublished]:
    """What a model's jobs stored and did not publish that has to do with a sample, oldest first."""
    ordinal = ordinal_of(session, line, sample_id)
    parents = {seen.version.id for seen in saw(session, line, sample_id)}
    found = []
    for weights, job in stored_weights.of_model(session, line.id):
        if ordinal in weights.training_set:
            found.append(Unpublished(weights, Saw.TRAINED_ON))
        elif job.parent_version_id in parents and weights.made_by not in ANEW:
            found.append(Unpublished(weights, Saw.DESCENDED))
    return found


def ordinal_of(session: Session, line: Model, sample_id: str) -> int:
    """The sample's ordinal in the model's dataset."""
    known = datasets.ordinals_by_id(session, line.dataset_id, [sample_id])
    if sample_id not in known:
        raise UnknownSamples("the model's dataset has no such sample")
    return known[sample_id][0]


def jobs_holding(session: Session, line: Model, sample_id: str) -> list[UUID]:
    """The model's active jobs that have a sample before them, to train on it or to forget it."""
    ordinal = ordinal_of(session, line, sample_id)
    active = session.scalars(
        select(Job).where(Job.model_id == line.id, Job.state.in_(ACTIVE_JOB_STATES))
    )
    return [job.id for job in active if ordinal in job.training_set | job.forget_set]


def require_complete(session: Session, samples: Mapping[UUID, Bitmap]) -> None:
    """Raise `Incomplete` if anything in use, or about to be, still holds one of these samples."""
    if left := remnants(session, samples):
        raise Incomplete(
            "this is a bug in Lacuna, please report it; nothing was published, because a request "
            "would have been called completed although " + "; ".join(left)
        )


def remnants(session: Session, samples: Mapping[UUID, Bitmap]) -> list[str]:
    """In words: versions, children, aliases, references and jobs that hold one of these samples."""
    found = []
    for version, line in versions.published(session, samples):
        if count := len(version.training_set & samples[line.dataset_id]):
            found.append(
                f"version {version.number} of {line.name!r} is in use and saw {count} of its "
                "samples"
            )
    for alias, version, line in aliases_on(session, samples):
        if version.training_set & samples[line.dataset_id]:
            found.append(
                f"the alias {alias.name!r} of {line.name!r} leads to version {version.number}, "
                "which saw its samples"
            )
    found += [
        f"{child.row.name!r}, derived from version {child.parent.number} of {child.line.name!r}, "
        "which saw its samples, was not withdrawn with it"
        for child in derived.reached(session, samples)
        if child.row.state is DerivedState.IN_USE
    ]
    for line in session.scalars(select(Model).where(Model.dataset_id.in_(samples))):
        found += held_aside(session, line, samples[line.dataset_id])
    return found


def aliases_on(
    session: Session, dataset_ids: Mapping[UUID, Bitmap]
) -> Sequence[Row[Alias, ModelVersion, Model]]:
    """Every alias of models of these datasets, and where it leads."""
    return session.execute(
        select(Alias, ModelVersion, Model)
        .join(ModelVersion, ModelVersion.id == Alias.version_id)
        .join(Model, Model.id == Alias.model_id)
        .where(Model.dataset_id.in_(dataset_ids))
        .order_by(Model.name, Alias.name)
    ).all()


def held_aside(session: Session, line: Model, samples: Bitmap) -> list[str]:
    """What beside its versions holds samples: references, a log, canaries, stored weights, and a
    version in the making.

    Weights that were released are as good as gone: the clerk's next sweep removes them.
    """
    found = []
    if count := sum(references.telling(session, line.id, samples).values()):
        found.append(f"{count} references of {line.name!r} still tell of its samples")
    if training_logs.telling(session, line.id, samples):
        found.append(f"the log of a training of {line.name!r} still tells of its samples")
    if canaries.holding(session, {line.dataset_id: samples}, model_id=line.id):
        found.append(f"canaries of {line.name!r} still have its samples")
    found += [
        f"weights that job {job.id} of {line.name!r} stored and did not publish saw its samples"
        for weights, job in stored_weights.of_model(session, line.id)
        if weights.released_at is None
        and job.state not in ACTIVE_JOB_STATES
        and weights.training_set & samples
    ]
    making = session.scalars(
        select(Job).where(
            Job.model_id == line.id,
            Job.kind == JobKind.UNLEARN,
            Job.state.in_(ACTIVE_JOB_STATES),
        )
    )
    found += [
        f"job {job.id} makes a version of {line.name!r} that keeps its samples"
        for job in making
        if job.training_set & samples
    ]
    return found
