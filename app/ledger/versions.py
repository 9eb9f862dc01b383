"""Model versions: which exist, which are live, how one is published and the old ones withdrawn."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Exists, Row, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Gone, UnknownVersion
from app.ledger import entries, model_lines
from app.ledger.policy import Policy
from app.ledger.states import ACTIVE_JOB_STATES, LOW_PRIORITY, VersionState
from app.ledger.tables import Alias, Job, Model, ModelVersion
from app.ledger.transitions import create, move

LIVE = "live"
EXACT = ("trained", "retrain")  # made from fresh weights, whatever the parent saw


# Built once: every deletion request asks it.
PUBLISHED = (
    select(ModelVersion, Model)
    .join(Model, Model.id == ModelVersion.model_id)
    .where(
        Model.dataset_id.in_(bindparam("datasets", expanding=True)),
        ModelVersion.state == VersionState.PUBLISHED,
    )
    .order_by(ModelVersion.model_id, ModelVersion.number)
)


def get(session: Session, line: Model, number: int) -> ModelVersion:
    """The version of this number."""
    version = session.scalar(
        select(ModelVersion).where(ModelVersion.model_id == line.id, ModelVersion.number == number)
    )
    if version is None:
        raise UnknownVersion(f"the model {line.name!r} has no version {number}")
    return version


def in_use(session: Session, line: Model, number: int) -> ModelVersion:
    """The version of this number; refused, with the live one's number, once it is withdrawn."""
    version = get(session, line, number)
    if version.state is not VersionState.PUBLISHED:
        now_live = live(session, line.id)
        assert now_live is not None  # nothing is withdrawn without a successor
        raise Gone(
            f"version {number} of {line.name!r} was withdrawn; use version {now_live.number}"
        )
    return version


def by_id(session: Session, version_id: UUID) -> ModelVersion:
    """The version of this id, which is known to exist."""
    return session.get_one(ModelVersion, version_id)


def listed(session: Session, line: Model) -> Sequence[ModelVersion]:
    """All versions of a model, oldest first."""
    return session.scalars(
        select(ModelVersion).where(ModelVersion.model_id == line.id).order_by(ModelVersion.number)
    ).all()


def live(session: Session, model_id: UUID) -> ModelVersion | None:
    """The version behind the alias `live`."""
    return lives(session, [model_id]).get(model_id)


def lives(session: Session, model_ids: Iterable[UUID]) -> dict[UUID, ModelVersion]:
    """By model: the version behind its alias `live`; models without one are left out."""
    found = session.scalars(
        select(ModelVersion)
        .join(Alias, Alias.version_id == ModelVersion.id)
        .where(Alias.model_id.in_(model_ids), Alias.name == LIVE)
    )
    return {version.model_id: version for version in found}


def published(session: Session, dataset_ids: Iterable[UUID]) -> Sequence[Row[ModelVersion, Model]]:
    """Every published version that was trained on one of these datasets, with its model."""
    return session.execute(PUBLISHED, {"datasets": list(dataset_ids)}).all()


def of_digest(session: Session, digest: str) -> Sequence[Row[ModelVersion, Model]]:
    """Every version that has these weights, purged ones too, with its model, oldest first."""
    return session.execute(
        select(ModelVersion, Model)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.weights_digest == digest)
        .order_by(ModelVersion.created_at, ModelVersion.id)
    ).all()


def last_exact(session: Session, version: ModelVersion) -> tuple[ModelVersion, int]:
    """The nearest ancestor (or the version itself) that was trained, and the rounds since then."""
    rounds = 0
    while version.parent_id is not None and version.made_by not in EXACT:
        version = by_id(session, version.parent_id)
        rounds += 1
    return version, rounds


def last_training(session: Session, parent: ModelVersion) -> dict[str, Any]:
    """`train_seconds` and `train_samples` of the last training that was timed, else None each."""
    version: ModelVersion | None = parent
    while version is not None:
        if "train_seconds" in version.manifest:
            return {
                "train_seconds": version.manifest["train_seconds"],
                "train_samples": version.manifest["train_samples"],
            }
        version = None if version.parent_id is None else by_id(session, version.parent_id)
    return {"train_seconds": None, "train_samples": None}


def publish(
    session: Session,
    line: Model,
    *,
    made_by: str,
    weights_digest: str,
    training_set: Bitmap,
    manifest: dict[str, Any],
    now: datetime,
    parent: ModelVersion | None = None,
    job_id: UUID | None = None,
) -> ModelVersion:
    """Add a version and move the alias `live` to it."""
    version = ModelVersion(
        model_id=line.id,
        number=next_number(session, line),
        parent_id=parent.id if parent else None,
        job_id=job_id,
        state=VersionState.CANDIDATE,
        made_by=made_by,
        weights_digest=weights_digest,
        training_set=training_set,
        training_set_digest=training_set.digest,
        manifest=manifest,
        created_at=now,
    )
    create(session, version, now=now, model=line.name, number=version.number)
    move(
        session,
        version,
        VersionState.PUBLISHED,
        now=now,
        made_by=made_by,
        weights_sha256=weights_digest,
        training_set_sha256=version.training_set_digest,
        training_set_size=len(training_set),
        parent=None if parent is None else parent.weights_digest,
    )
    point(session, line, LIVE, version, now=now)
    return version


def next_number(session: Session, line: Model) -> int:
    """One more than the newest; the model's row is locked so that two cannot have the same."""
    model_lines.lock(session, line.id)
    newest = session.scalar(
        select(func.max(ModelVersion.number)).where(ModelVersion.model_id == line.id)
    )
    return (newest or 0) + 1


def point(
    session: Session, line: Model, name: str, version: ModelVersion, *, now: datetime
) -> None:
    """Move an alias; the database refuses one on a version that is not published."""
    session.execute(
        insert(Alias)
        .values(model_id=line.id, name=name, version_id=version.id, moved_at=now)
        .on_conflict_do_update(
            index_elements=[Alias.model_id, Alias.name],
            set_={"version_id": version.id, "moved_at": now},
        )
    )
    entries.append(
        session,
        "alias.moved",
        machine="alias",
        row_id=version.id,
        now=now,
        payload={"model": line.name, "alias": name, "version": version.number},
    )


def aliases_of(session: Session, version: ModelVersion) -> list[str]:
    """The names by which consumers follow this version."""
    return list(
        session.scalars(
            select(Alias.name).where(Alias.version_id == version.id).order_by(Alias.name)
        )
    )


def aliases(session: Session, line: Model) -> dict[UUID, list[str]]:
    """By version of a model: the names by which consumers follow it; others are left out."""
    found: dict[UUID, list[str]] = {}
    rows = session.scalars(select(Alias).where(Alias.model_id == line.id).order_by(Alias.name))
    for alias in rows:
        found.setdefault(alias.version_id, []).append(alias.name)
    return found


def to_purge(session: Session, *, now: datetime) -> list[UUID]:
    """Withdrawn versions whose grace time is over, and from which no job under way starts.

    No training set is read for it.
    """
    rows = session.execute(
        select(ModelVersion.id, ModelVersion.withdrawn_at, Model.policy)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.state == VersionState.WITHDRAWN, ~job_starts())
        .order_by(ModelVersion.withdrawn_at, ModelVersion.id)
    )
    return [
        version_id
        for version_id, withdrawn_at, policy in rows
        if grace_is_over(withdrawn_at, Policy.of(policy), now=now)
    ]


def lock_withdrawn(session: Session, version_id: UUID) -> ModelVersion | None:
    """The version, locked; None if another clerk is at it or has purged it, or a job needs it."""
    return session.scalar(
        select(ModelVersion)
        .where(
            ModelVersion.id == version_id,
            ModelVersion.state == VersionState.WITHDRAWN,
            ~job_starts(),
        )
        .with_for_update(skip_locked=True)
    )


def job_starts() -> Exists:
    """Whether a job under way starts from a version's weights."""
    return exists().where(
        Job.parent_version_id == ModelVersion.id,
        Job.state.in_(ACTIVE_JOB_STATES),
        Job.kind.not_in(LOW_PRIORITY),  # these follow what is live, or begin from nothing
    )


def grace_is_over(withdrawn_at: datetime | None, policy: Policy, *, now: datetime) -> bool:
    """Whether a version was withdrawn longer ago than its weights are kept."""
    return withdrawn_at is not None and (
        now - withdrawn_at >= timedelta(seconds=policy.purge_after_seconds)
    )


def purge(
    session: Session, version: ModelVersion, *, now: datetime, weights_kept: bool = False
) -> None:
    """State that a withdrawn version's weights are gone, unless another version has the same."""
    move(
        session,
        version,
        VersionState.PURGED,
        now=now,
        weights_sha256=version.weights_digest,
        weights_kept_for_another_version=weights_kept,
    )
