"""From a sample to every version that saw it, itself or through the weights it was made from."""

from enum import StrEnum

from sqlalchemy.orm import Session

from app.errors import UnknownSamples
from app.ledger import datasets, versions
from app.ledger.tables import Model, ModelVersion

ANEW = ("trained", "retrain")  # made from fresh weights, whatever the parent saw


class Saw(StrEnum):
    """How a version has to do with a sample."""

    TRAINED_ON = "trained_on"
    DESCENDED = "descended"  # made to forget it, starting from weights that had seen it


def saw(session: Session, line: Model, sample_id: str) -> list[tuple[ModelVersion, Saw]]:
    """The versions of a model that have to do with a sample of its dataset, oldest first."""
    known = datasets.ordinals_by_id(session, line.dataset_id, [sample_id])
    if sample_id not in known:
        raise UnknownSamples("the model's dataset has no such sample")
    ordinal, _ = known[sample_id]
    found: dict[ModelVersion, Saw] = {}
    ids = set()
    for version in versions.listed(session, line):  # parents stand before their children
        if ordinal in version.training_set:
            found[version] = Saw.TRAINED_ON
        elif version.parent_id in ids and version.made_by not in ANEW:
            found[version] = Saw.DESCENDED
        else:
            continue
        ids.add(version.id)
    return list(found.items())
