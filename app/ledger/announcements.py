"""Which workers live and what they can run, as they announce it themselves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Fault, UnknownRecipe, WorkerAbsent
from app.ledger.tables import Worker


def announce(
    session: Session,
    name: str,
    *,
    incarnation: UUID,
    recipes: dict[str, Any],
    device: str,
    versions: dict[str, Any],
    now: datetime,
) -> None:
    """A worker has started; whatever went by its name before is replaced."""
    facts = {
        "incarnation": incarnation,
        "recipes": recipes,
        "device": device,
        "versions": versions,
        "started_at": now,
        "seen_at": now,
    }
    session.execute(
        insert(Worker)
        .values(name=name, **facts)
        .on_conflict_do_update(index_elements=[Worker.name], set_=facts)
    )


def seen(session: Session, name: str, *, now: datetime) -> None:
    """A worker is still there."""
    session.execute(update(Worker).where(Worker.name == name).values(seen_at=now))


def alive(session: Session, *, now: datetime, gone_seconds: float) -> Sequence[Worker]:
    """The workers heard of lately, by name."""
    since = now - timedelta(seconds=gone_seconds)
    return session.scalars(
        select(Worker).where(Worker.seen_at >= since).order_by(Worker.name)
    ).all()


def recipe(session: Session, name: str, *, now: datetime, gone_seconds: float) -> dict[str, Any]:
    """What live workers announce of a recipe: the forms of its tensors, the size of its pool."""
    workers = alive(session, now=now, gone_seconds=gone_seconds)
    if not workers:
        raise WorkerAbsent("no worker is alive, so no recipe can be checked; start one and retry")
    known: dict[str, Any] = {}
    for worker in workers:
        known |= worker.recipes
    if name not in known:
        raise UnknownRecipe(
            f"no live worker announces the recipe {name!r}; announced are: "
            + (", ".join(sorted(known)) or "none"),
            Fault("/recipe", "unknown_recipe", "not announced by any live worker"),
        )
    return dict(known[name])
