"""How hard canaries are, in or out alike: what references say of them that never saw them."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canaries, riders
from app.ledger.tables import ModelVersion


def bystanders(session: Session, generation: ModelVersion) -> Bitmap:
    """The samples of canaries that are out: references are asked about them too."""
    never = riders.pool(session, generation).never_seen
    return canaries.union([row.samples for row in never])


def hear(session: Session, generation: ModelVersion, unseen: Mapping[int, float]) -> None:
    """Take in a reference's losses, by ordinal, of samples that it never saw."""
    for row in riders.pool(session, generation).rows:
        if all(ordinal in unseen for ordinal in row.samples):
            mean = sum(unseen[ordinal] for ordinal in row.samples) / len(row.samples)
            row.hardness = ((row.hardness or 0.0) * row.heard + mean) / (row.heard + 1)
            row.heard += 1
