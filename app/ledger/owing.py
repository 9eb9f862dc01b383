"""Which models have to forget samples, and that something is left to them."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import CoversEverything
from app.ledger import versions
from app.ledger.tables import Model, ModelVersion


def models(session: Session, samples: dict[UUID, Bitmap]) -> dict[Model, Bitmap]:
    """By model: the samples that one of its published versions was trained on."""
    published = [(version, line) for version, line in versions.published(session, samples)]
    owed = seen(samples, published)
    live = versions.lives(session, [line.id for line in owed])
    for line, ordinals in owed.items():
        refuse_everything(line, live[line.id], ordinals)
    return owed


def seen(
    samples: Mapping[UUID, Bitmap], published: Iterable[tuple[ModelVersion, Model]]
) -> dict[Model, Bitmap]:
    """By model: which of these samples its versions among these were trained on."""
    found: dict[Model, Bitmap] = {}
    for version, line in published:
        if common := version.training_set & samples.get(line.dataset_id, Bitmap()):
            found[line] = found.get(line, Bitmap()) | common
    return found


def refuse_everything(line: Model, version: ModelVersion, ordinals: Bitmap) -> None:
    """A model cannot forget all that it was trained on: there would be nothing to keep."""
    if version.training_set <= ordinals:
        raise CoversEverything(
            f"the request covers all {len(version.training_set)} samples that version "
            f"{version.number} of {line.name!r} was trained on; nothing would remain to train a "
            "successor on. Such a model has to be taken out of service, not unlearned."
        )
