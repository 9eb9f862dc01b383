"""Resolves lists of sample ids, and says which of them cannot be."""

from collections.abc import Sequence
from typing import IO

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import (
    BadLine,
    DuplicateSamples,
    EmptyTrainingSet,
    Fault,
    ForeignSamples,
    UnknownSamples,
)
from app.ledger import datasets
from app.ledger.tables import Dataset

SHOWN = 20


def read(session: Session, dataset: Dataset, file: IO[bytes]) -> Bitmap:
    """The training set that an uploaded list of ids, one a line, describes."""
    try:
        lines = file.read().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BadLine("the list of sample ids is not UTF-8") from error
    sample_ids = [sample_id for line in lines if (sample_id := line.removesuffix("\r"))]
    if not sample_ids:
        raise EmptyTrainingSet("the list of sample ids is empty")
    return resolve(session, dataset, sample_ids, pointer="/training_set")


def resolve(
    session: Session,
    dataset: Dataset,
    sample_ids: Sequence[str],
    *,
    pointer: str,
    subject_key: bytes | None = None,
) -> Bitmap:
    """The ordinals of these ids: all known, none twice, all of the subject if one is named.

    Nobody knows any more whose a sample was of which only a mark is left.
    """
    refuse(DuplicateSamples, repeated(sample_ids), "more than once in this list", pointer)
    known = datasets.ordinals_by_id(session, dataset.id, sample_ids)
    unknown = [place for place, sample_id in enumerate(sample_ids) if sample_id not in known]
    refuse(UnknownSamples, unknown, f"not in the dataset {dataset.name!r}", pointer)
    if subject_key is not None:
        foreign = [
            place
            for place, sample_id in enumerate(sample_ids)
            if known[sample_id][1] not in (None, subject_key)
        ]
        refuse(ForeignSamples, foreign, "not the named subject's", pointer)
    return Bitmap(ordinal for ordinal, _ in known.values())


def repeated(sample_ids: Sequence[str]) -> list[int]:
    """The places at which an id stands that stood before."""
    seen: set[str] = set()
    places = []
    for place, sample_id in enumerate(sample_ids):
        if sample_id in seen:
            places.append(place)
        seen.add(sample_id)
    return places


def refuse(
    kind: type[UnknownSamples | DuplicateSamples | ForeignSamples],
    places: list[int],
    reason: str,
    pointer: str,
) -> None:
    """Refuse the list if any place in it is wrong; nothing of it is taken then."""
    if places:
        raise kind(
            f"{len(places)} sample ids: {reason}; nothing was accepted",
            *(Fault(f"{pointer}/{place}", kind.code, reason) for place in places[:SHOWN]),
        )
