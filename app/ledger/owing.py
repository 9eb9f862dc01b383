"""Which models have to forget samples, and that something is left to them."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import CoversEverything
from app.ledger import versions
from app.ledger.tables import Model, ModelVersion

Published = Sequence[tuple[ModelVersion, Model]]


def published(session: Session, samples: Iterable[UUID]) -> Published:
    """The published versions that were trained on these datasets, with their models."""
    return [(version, line) for version, line in versions.published(session, samples)]


def models(
    session: Session, samples: Mapping[UUID, Bitmap], known: Published
) -> dict[Model, Bitmap]:
    """By model: the samples that one of its published versions was trained on.

    Raises CoversEverything where its live version would be left with nothing.
    """
    owed = seen(samples, known)
    # Which version is live has to be asked only where one of them would keep nothing.
    emptied = {
        line.id: line
        for version, line in known
        if line in owed and version.training_set <= owed[line]
    }
    if emptied:
        for model_id, version in versions.lives(session, emptied).items():
            refuse_everything(emptied[model_id], version, owed[emptied[model_id]])
    return owed


def seen(
    samples: Mapping[UUID, Bitmap], known: Iterable[tuple[ModelVersion, Model]]
) -> dict[Model, Bitmap]:
    """By model: which of these samples its versions among these were trained on."""
    found: dict[Model, Bitmap] = {}
    for version, line in known:
        if common := version.training_set & samples.get(line.dataset_id, Bitmap()):
            found[line] = found.get(line, Bitmap()) | common
    return found


def refuse_everything(line: Model, version: ModelVersion, ordinals: Bitmap) -> None:
    """A model cannot forget all that it was trained on: there would be nothing to keep."""
    if version.training_set <= ordinals:
        raise CoversEverything(
            f"the request covers all {len(version.training_set)} samples that version "
            f"{version.number} of {line.name!r} was trained on; nothing would remain to train a "
            "successor on. Upload a version that was trained on other samples, and ask again: what "
            "saw these is withdrawn then."
        )
