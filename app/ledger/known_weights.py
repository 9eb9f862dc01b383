"""What weights saw is known by their bytes: no list that comes with them can say otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Unprocessable
from app.ledger import datasets, derived, versions
from app.ledger.tables import Model


class ForgottenWeights(Unprocessable):
    """These weights saw samples that were forgotten, whatever their training set says now."""

    code = "forgotten_weights"


class TrainingSetDiffers(Unprocessable):
    """These weights are known already, as trained on other samples than this list has."""

    code = "training_set_differs"


@dataclass(frozen=True)
class Known:
    """What weights of some digest saw, by one row that tells of them."""

    called: str
    line: Model
    samples: Bitmap
    at_least: bool  # a child that was trained elsewhere may have seen more than its parent


def known(session: Session, digest: str) -> Iterator[Known]:
    """Every version that has these weights, purged ones too, and every child registered with them.

    In whichever model, and of whichever dataset.
    """
    for version, line in versions.of_digest(session, digest):
        called = f"version {version.number} of {line.name!r}"
        yield Known(called, line, version.training_set, at_least=False)
    for child in derived.of_digest(session, digest):
        called = f"{child.row.name!r}, derived from version {child.parent.number} of "
        yield Known(
            f"{called}{child.line.name!r}", child.line, child.parent.training_set, at_least=True
        )


def datasets_of(session: Session, digest: str) -> set[UUID]:
    """The datasets of whose samples these weights have seen some."""
    return {each.line.dataset_id for each in known(session, digest)}


def refuse_forgotten(session: Session, digest: str) -> None:
    """No weights come back by being given a training set that leaves the forgotten samples out.

    Whether or not the versions that had them were withdrawn and purged by now. Weights of which no
    sample is on a tombstone may be published again: that brings nobody back.
    """
    for each in known(session, digest):
        if buried := each.samples & datasets.tombstones(session, each.line.dataset_id):
            raise ForgottenWeights(
                f"these are the weights of {each.called}, which saw {len(buried)} samples that "
                "were forgotten; no other training set takes that back. Use the version that is "
                "live, or upload weights that were trained without them"
            )


def refuse_other_training_set(
    session: Session, line: Model, digest: str, training_set: Bitmap
) -> None:
    """The same bytes saw the same samples: who asks later must find every version that has them."""
    for each in known(session, digest):
        where = f"these are the weights of {each.called}"
        if each.line.dataset_id != line.dataset_id:
            raise TrainingSetDiffers(
                f"{where}, which saw samples of another dataset; register them for a model of that "
                "dataset, or upload weights that were trained on this one"
            )
        if missing := each.samples - training_set:
            raise TrainingSetDiffers(
                f"{where}, which saw {len(missing)} samples that this list leaves out. List those "
                "too, or upload weights that were trained without them"
            )
        if not each.at_least and (more := training_set - each.samples):
            raise TrainingSetDiffers(
                f"{where}, which was registered without {len(more)} samples of this list. If it "
                "saw them, that list was wrong: upload newly trained weights with the right one, "
                "and withdraw the wrong version"
            )
