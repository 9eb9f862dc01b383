"""Versions that others derived from ours: registered, withdrawn with their parent, confirmed.

They are not in our hands. What is ours is to know of them, to say so, and to say what is still
outstanding: docs/decisions/0013-derived-elsewhere.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.errors import NameTaken, NotFound
from app.ledger import model_lines
from app.ledger.derived_tables import DerivedVersion
from app.ledger.states import Derivation, DerivedState, VersionState
from app.ledger.tables import Model, ModelVersion
from app.ledger.transitions import create, move
from app.ledger.uniqueness import or_refuse


class UnknownDerived(NotFound):
    """No derived version has that id."""

    code = "unknown_derived_version"


@dataclass(frozen=True)
class Registration:
    """What its owner tells of a derived version."""

    name: str
    location: str
    how: Derivation
    contact: str
    weights_digest: str | None = None


@dataclass(frozen=True)
class Child:
    """A derived version, and what it was derived from."""

    row: DerivedVersion
    parent: ModelVersion
    line: Model


OLDEST_FIRST = (DerivedVersion.registered_at, DerivedVersion.id)
PARENT = joinedload(DerivedVersion.version)
# Built once: every deletion request asks it, and mostly there are none.
OF_DATASETS = (
    select(DerivedVersion.id)
    .join(ModelVersion, ModelVersion.id == DerivedVersion.version_id)
    .join(Model, Model.id == ModelVersion.model_id)
    .where(Model.dataset_id.in_(bindparam("datasets", expanding=True)))
)


def register(
    session: Session,
    line: Model,
    version: ModelVersion,
    told: Registration,
    *,
    now: datetime,
) -> Child:
    """Note a child of a version; the child of one that is withdrawn already is withdrawn as well.

    The model is locked, as whenever versions are withdrawn: no child slips in between.
    """
    model_lines.lock(session, line.id)
    session.refresh(version)
    in_use = version.state is VersionState.PUBLISHED
    row = DerivedVersion(
        version=version,
        state=DerivedState.IN_USE if in_use else DerivedState.WITHDRAWN,
        registered_at=now,
        withdrawn_at=None if in_use else now,
        **vars(told),
    )
    taken = f"version {version.number} of {line.name!r} has a derived version of this name already"
    with or_refuse(session, NameTaken(taken)):
        create(
            session,
            row,
            now=now,
            model=line.name,
            version=version.number,
            how=told.how.value,
            weights_sha256=told.weights_digest,
        )
    return Child(row, version, line)


def withdraw_children(session: Session, parents: Iterable[ModelVersion], *, now: datetime) -> None:
    """Withdraw what was derived from these versions; their owners owe a confirmation then."""
    by_id = {parent.id: parent for parent in parents}
    rows = session.scalars(
        select(DerivedVersion)
        .where(
            DerivedVersion.version_id.in_(by_id),
            DerivedVersion.state == DerivedState.IN_USE,
        )
        .order_by(DerivedVersion.id)
        .with_for_update()
    )
    for row in rows:
        row.withdrawn_at = now
        move(session, row, DerivedState.WITHDRAWN, now=now, version=by_id[row.version_id].number)


def confirm(session: Session, derived_id: UUID, *, notice: str, now: datetime) -> Child:
    """Note its owner's word that a derived version is out of use, and where that word lies."""
    child = get(session, derived_id, lock=True)
    child.row.confirmed_at = now
    child.row.notice = notice
    move(session, child.row, DerivedState.CONFIRMED, now=now)
    return child


def get(session: Session, derived_id: UUID, *, lock: bool = False) -> Child:
    """The derived version of this id."""
    if lock:
        session.execute(
            select(DerivedVersion.id).where(DerivedVersion.id == derived_id).with_for_update()
        )
    query = select(DerivedVersion).where(DerivedVersion.id == derived_id)
    for child in children(session, query.execution_options(populate_existing=True)):
        return child
    raise UnknownDerived("there is no derived version with this id")


def listed(
    session: Session,
    *,
    version_id: UUID | None = None,
    state: DerivedState | None = None,
) -> list[Child]:
    """Derived versions, oldest first: of a version, in a state, or all."""
    query = select(DerivedVersion)
    if version_id is not None:
        query = query.where(DerivedVersion.version_id == version_id)
    if state is not None:
        query = query.where(DerivedVersion.state == state)
    return children(session, query)


def of_versions(session: Session, version_ids: Iterable[UUID]) -> dict[UUID, list[Child]]:
    """By version: what was derived from it; versions without any are left out."""
    found: dict[UUID, list[Child]] = {}
    for child in children(
        session, select(DerivedVersion).where(DerivedVersion.version_id.in_(version_ids))
    ):
        found.setdefault(child.parent.id, []).append(child)
    return found


def of_digest(session: Session, digest: str) -> list[Child]:
    """Every child that was registered with weights of this digest, whatever became of it."""
    return children(session, select(DerivedVersion).where(DerivedVersion.weights_digest == digest))


def reached(session: Session, samples: Mapping[UUID, Bitmap]) -> list[Child]:
    """Every child of a version that was trained on one of these samples, whatever became of it."""
    if not any(samples.values()):
        return []
    session.flush()
    ids = session.connection().scalars(OF_DATASETS, {"datasets": list(samples)}).all()
    if not ids:
        return []
    known = children(session, select(DerivedVersion).where(DerivedVersion.id.in_(ids)))
    return among(known, samples)


def among(known: Iterable[Child], samples: Mapping[UUID, Bitmap]) -> list[Child]:
    """Those of them whose parent was trained on one of these samples."""
    return [
        child
        for child in known
        if child.parent.training_set & samples.get(child.line.dataset_id, Bitmap())
    ]


def children(session: Session, query: Select[DerivedVersion]) -> list[Child]:
    """What a query finds, oldest first, with parents and models."""
    rows = session.scalars(query.order_by(*OLDEST_FIRST).options(PARENT)).all()
    if not rows:
        return []
    lines = {row.version.model_id for row in rows}
    known = {line.id: line for line in session.scalars(select(Model).where(Model.id.in_(lines)))}
    return [Child(row, row.version, known[row.version.model_id]) for row in rows]
