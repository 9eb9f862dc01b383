"""From samples to all that saw or still hold them: versions, aliases, references, logs, canaries,
children, jobs, and weights that jobs have stored.

A version saw a sample itself, or through the weights it was made from. What callers are told of a
sample, and what may be left when a request is completed, is the same trace.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import UnknownSamples
from app.ledger import (
    canaries,
    datasets,
    derived,
    jobs,
    references,
    remains,
    stored_weights,
    training_logs,
    versions,
)
from app.ledger.derived import Child
from app.ledger.states import ACTIVE_JOB_STATES, DerivedState, VersionState
from app.ledger.stored_tables import StoredWeights
from app.ledger.tables import Job, Model, ModelVersion


class Incomplete(Exception):
    """A request was about to be called completed while something still holds its samples."""


class Saw(StrEnum):
    """How a version has to do with a sample."""

    TRAINED_ON = "trained_on"
    DESCENDED = "descended"  # made to forget it, starting from weights that had seen it


@dataclass(frozen=True)
class Seen:
    """A version that has to do with samples, and by what it reaches further."""

    version: ModelVersion
    saw: Saw
    aliases: list[str]
    references: int  # whose table still tells of them
    logged: bool  # whether what its training noted of them is still there
    canary: bool  # whether some are of a canary of its training
    derived: list[Child] = field(default_factory=list)  # elsewhere


@dataclass(frozen=True)
class Unpublished:
    """Weights in the store that have to do with samples and are no version's."""

    weights: StoredWeights
    saw: Saw


@dataclass(frozen=True)
class Trace:
    """All of one model that has to do with some samples, whether or not it may."""

    line: Model
    samples: Bitmap
    seen: list[Seen]  # oldest first
    unpublished: list[Unpublished]  # oldest first
    jobs: list[Job]  # active ones that have them before them, to train on or to forget
    canaries: bool  # whether some are of a canary, in or out


def trace(session: Session, line: Model, samples: Bitmap, *, history: bool = True) -> Trace:
    """Whatever of a model has to do with one of these samples of its dataset.

    Without its history, purged versions of which nothing is left are not looked at.
    """
    every = versions.listed(session, line) if history else remains.versions(session, line)
    seen = list(those_that_saw(session, line, every, samples))
    return Trace(
        line=line,
        samples=samples,
        seen=seen,
        unpublished=list(unpublished(session, line, samples, seen)),
        jobs=jobs_before(session, line, samples),
        canaries=bool(canaries.holding(session, {line.dataset_id: samples}, model_id=line.id)),
    )


def of_sample(session: Session, line: Model, sample_id: str) -> Trace:
    """Whatever of a model has to do with the sample of this id, also if only its mark is left."""
    known = datasets.ordinals_by_id(session, line.dataset_id, [sample_id])
    if sample_id not in known:
        raise UnknownSamples("the model's dataset has no such sample")
    return trace(session, line, Bitmap([known[sample_id][0]]))


def those_that_saw(
    session: Session, line: Model, every: Sequence[ModelVersion], samples: Bitmap
) -> Iterator[Seen]:
    """Those of a model's versions that were trained on one of them, or descend from such."""
    if not any(version.training_set & samples for version in every):
        return  # the tables that tell of samples are large, and tell of what was trained on only
    telling = references.telling(session, line.id, samples)
    logged = training_logs.telling(session, line.id, samples)
    aliases = versions.aliases(session, line)
    dealt = canaries.holding(session, {line.dataset_id: samples}, model_id=line.id)
    trainings = {each.job_id for each, _ in dealt}
    found: dict[UUID, Seen] = {}
    for version in every:  # parents stand before their children
        if version.training_set & samples:
            how = Saw.TRAINED_ON
        elif version.parent_id in found and version.made_by not in versions.EXACT:
            how = Saw.DESCENDED
        else:
            continue
        found[version.id] = Seen(
            version,
            how,
            aliases.get(version.id, []),
            telling.get(version.id, 0),
            version.id in logged,
            version.job_id in trainings,
        )
    for version_id, children in derived.of_versions(session, found).items():
        found[version_id].derived.extend(children)
    yield from found.values()


def unpublished(
    session: Session, line: Model, samples: Bitmap, seen: Iterable[Seen]
) -> Iterator[Unpublished]:
    """What the model's jobs have stored and not published that has to do with one of them."""
    parents = {each.version.id for each in seen}
    for weights, job in stored_weights.of_model(session, line.id):
        if weights.training_set & samples:
            yield Unpublished(weights, Saw.TRAINED_ON)
        elif job.parent_version_id in parents and weights.made_by not in versions.EXACT:
            yield Unpublished(weights, Saw.DESCENDED)


def jobs_before(session: Session, line: Model, samples: Bitmap) -> list[Job]:
    """The model's active jobs that have one of them before them.

    While such a job is under way its worker's folder may hold states that its loops go on from.
    """
    active = session.scalars(
        select(Job)
        .where(Job.model_id == line.id, Job.state.in_(ACTIVE_JOB_STATES))
        .order_by(Job.created_at, Job.id)
    )
    return [job for job in active if samples & (job.training_set | job.forget_set)]


def forget_rows(session: Session, samples: Mapping[UUID, Bitmap]) -> None:
    """Overwrite what models still tell of these samples, by dataset, that no version in use saw."""
    for line in lines_of(session, samples):
        theirs = samples[line.dataset_id]
        if any(version.training_set & theirs for version in remains.told(session, line)):
            references.forget(session, line.id, theirs)
            training_logs.forget(session, line.id, theirs)
    session.flush()


def lines_of(session: Session, samples: Mapping[UUID, Bitmap]) -> Sequence[Model]:
    """The models that may have to do with some of these samples, by dataset."""
    held = [dataset_id for dataset_id, ordinals in samples.items() if ordinals]
    if not held:
        return ()
    return session.scalars(
        select(Model).where(Model.dataset_id.in_(held)).order_by(Model.name)
    ).all()


def require_complete(session: Session, samples: Mapping[UUID, Bitmap]) -> None:
    """Raise `Incomplete` if anything in use, or about to be, still holds one of these samples."""
    if left := remnants(session, samples):
        raise Incomplete(
            "this is a bug in Lacuna, please report it; nothing was published, because a request "
            "would have been called completed although " + "; ".join(left)
        )


def remnants(session: Session, samples: Mapping[UUID, Bitmap]) -> list[str]:
    """In words: what holds one of these samples, by dataset, and must not any more."""
    lines = lines_of(session, samples)
    found = [trace(session, line, samples[line.dataset_id], history=False) for line in lines]
    return [told for each in found for told in (*left_in_use(each), *left_aside(each))]


def left_in_use(found: Trace) -> Iterator[str]:
    """Versions that were trained on the samples and can be reached, and their children.

    What was made to forget them may stay, and so may what was derived from that.
    """
    model = found.line.name
    for each in found.seen:
        if each.saw is not Saw.TRAINED_ON:
            continue
        number = each.version.number
        if each.version.state is VersionState.PUBLISHED:
            count = len(each.version.training_set & found.samples)
            yield f"version {number} of {model!r} is in use and saw {count} of its samples"
        for alias in each.aliases:
            yield (
                f"the alias {alias!r} of {model!r} leads to version {number}, which saw its samples"
            )
        for child in each.derived:
            if child.row.state is DerivedState.IN_USE:
                yield (
                    f"{child.row.name!r}, derived from version {number} of {model!r}, which saw "
                    "its samples, was not withdrawn with it"
                )


def left_aside(found: Trace) -> Iterator[str]:
    """What beside its versions holds samples: references, logs, canaries, weights and jobs.

    Weights that were released are as good as gone: the clerk's next sweep removes them. Jobs that
    make no version destroy what they train, and write nothing of what lies on the tombstones.
    """
    model = found.line.name
    if count := sum(each.references for each in found.seen):
        yield f"{count} references of {model!r} still tell of its samples"
    if any(each.logged for each in found.seen):
        yield f"the log of a training of {model!r} still tells of its samples"
    if found.canaries:
        yield f"canaries of {model!r} still have its samples"
    for stored in found.unpublished:
        if stored.saw is Saw.TRAINED_ON and stored.weights.released_at is None:
            yield (
                f"weights that job {stored.weights.job_id} of {model!r} stored and did not publish "
                "saw its samples"
            )
    for job in found.jobs:
        if job.kind in jobs.MAKING_VERSIONS and job.training_set & found.samples:
            yield f"job {job.id} makes a version of {model!r} that keeps its samples"
