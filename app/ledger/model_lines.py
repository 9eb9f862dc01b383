"""Models: named lines of versions that share a recipe and a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.errors import NameTaken, UnknownModel
from app.ledger import datasets, entries
from app.ledger.policy import Policy
from app.ledger.tables import Dataset, Model
from app.ledger.uniqueness import or_refuse


def create(
    session: Session, name: str, *, recipe: str, dataset: Dataset, policy: Policy, now: datetime
) -> Model:
    """Register a model that has no version yet.

    The dataset is locked first: its row is held from here on, and two who hold it must not both
    want it for themselves when they ask for a first training.
    """
    datasets.lock(session, dataset.id)
    line = Model(name=name, recipe=recipe, dataset=dataset, policy=policy.stored(), created_at=now)
    with or_refuse(session, NameTaken(f"a model called {name!r} exists already")):
        session.add(line)
    entries.append(
        session,
        "model.created",
        machine="model",
        row_id=line.id,
        now=now,
        payload={"id": str(line.id), "name": name, "recipe": recipe, "policy": policy.stored()},
    )
    return line


def change_policy(
    session: Session, line: Model, changes: Mapping[str, Any], *, now: datetime
) -> None:
    """Replace these fields of the model's policy; what is as it was needs no entry."""
    before = Policy.of(line.policy)
    policy = replace(before, **changes)
    if policy == before:
        return
    line.policy = policy.stored()
    entries.append(
        session,
        "model.policy_changed",
        machine="model",
        row_id=line.id,
        now=now,
        payload={
            "id": str(line.id),
            "name": line.name,
            "policy": policy.stored(),
            "before": before.stored(),
        },
    )


def get(session: Session, name: str) -> Model:
    """The model of this name."""
    line = session.scalar(
        select(Model).where(Model.name == name).options(joinedload(Model.dataset))
    )
    if line is None:
        raise UnknownModel(f"there is no model called {name!r}")
    return line


def by_id(session: Session, model_id: UUID) -> Model:
    """The model of this id, which is known to exist."""
    return session.scalars(
        select(Model).where(Model.id == model_id).options(joinedload(Model.dataset))
    ).one()


def lock(session: Session, model_id: UUID) -> None:
    """One at a time gives a model its next version or its next job.

    The key stays free, so that requests can add erasures meanwhile.
    """
    session.execute(select(Model.id).where(Model.id == model_id).with_for_update(key_share=True))


def listed(session: Session) -> Sequence[Model]:
    """All models by name."""
    return session.scalars(
        select(Model).order_by(Model.name).options(joinedload(Model.dataset))
    ).all()
