"""Which generations are in use, told in one statement: what live versions descend from."""

from uuid import UUID

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from app.ledger.tables import Alias, ModelVersion
from app.ledger.versions import EXACT, LIVE


def in_use(session: Session) -> list[Row[UUID, UUID | None]]:
    """Id and job of each version that `versions.last_exact` would find for a live one.

    However many models there are, and however many rounds ago they were trained.
    """
    begun = or_(ModelVersion.parent_id.is_(None), ModelVersion.made_by.in_(EXACT))
    told = (ModelVersion.id, ModelVersion.parent_id, ModelVersion.job_id, begun.label("begun"))
    line = (
        select(*told)
        .join(Alias, Alias.version_id == ModelVersion.id)
        .where(Alias.name == LIVE)
        .cte("line", recursive=True)
    )
    line = line.union_all(
        select(*told).join(line, ModelVersion.id == line.c.parent_id).where(~line.c.begun)
    )
    return list(session.execute(select(line.c.id, line.c.job_id).where(line.c.begun)).all())
