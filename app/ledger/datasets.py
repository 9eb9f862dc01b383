"""Datasets: which samples exist, whose they are, and which of them were forgotten."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, any_, bindparam, delete, exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer

from app.bitmap import Bitmap
from app.errors import NameTaken, UnknownDataset
from app.ledger import entries
from app.ledger.canary_tables import CanaryDeal
from app.ledger.derived_tables import DerivedVersion
from app.ledger.tables import Dataset, Sample
from app.ledger.tombstone_tables import LastingTombstones, Tombstone
from app.ledger.uniqueness import or_refuse

# Built once: every deletion request asks these, and building them took longer than their answers.
ORDINALS = bindparam("wanted", type_=ARRAY(Integer))
OF_SUBJECT = (
    select(Sample.dataset_id, func.array_agg(Sample.ordinal))
    .where(Sample.subject_key == bindparam("subject_key"))
    .group_by(Sample.dataset_id)
)
NAMED = (
    select(
        Dataset.name,
        func.array_agg(aggregate_order_by(Sample.sample_id, Sample.ordinal)),
        exists().select_from(CanaryDeal),
        exists().select_from(DerivedVersion),
    )
    .outerjoin(Sample, and_(Sample.dataset_id == Dataset.id, Sample.ordinal == any_(ORDINALS)))
    .where(Dataset.id == bindparam("dataset"))
    .group_by(Dataset.id)
)
BURY = text(
    """
    INSERT INTO tombstones (dataset_id, ordinal, placed_at)
    SELECT :dataset, unnest(CAST(:wanted AS integer[])), :now ON CONFLICT DO NOTHING
    """
)


def create(session: Session, name: str, *, now: datetime) -> Dataset:
    """Register a dataset with no samples yet."""
    dataset = Dataset(name=name, size=0, created_at=now)
    with or_refuse(session, NameTaken(f"a dataset called {name!r} exists already")):
        session.add(dataset)
    entries.append(
        session,
        "dataset.created",
        machine="dataset",
        row_id=dataset.id,
        now=now,
        payload={"id": str(dataset.id), "name": name},
    )
    return dataset


def get(session: Session, name: str) -> Dataset:
    """The dataset of this name."""
    dataset = session.scalar(select(Dataset).where(Dataset.name == name))
    if dataset is None:
        raise UnknownDataset(f"there is no dataset called {name!r}")
    return dataset


def listed(session: Session) -> Sequence[Dataset]:
    """All datasets by name."""
    return session.scalars(select(Dataset).order_by(Dataset.name)).all()


def subject_counts(session: Session, *dataset_ids: UUID) -> dict[UUID, int]:
    """By dataset: how many different subjects its samples belong to; empty ones are left out."""
    rows = session.execute(
        select(Sample.dataset_id, func.count(Sample.subject_key.distinct()))
        .where(Sample.dataset_id.in_(dataset_ids))
        .group_by(Sample.dataset_id)
    )
    return dict(rows.all())


def ordinals_of_subject(session: Session, subject_key: bytes) -> dict[UUID, Bitmap]:
    """By dataset: the samples that belong to a subject."""
    rows = session.connection().execute(OF_SUBJECT, {"subject_key": subject_key})
    return {dataset_id: Bitmap(ordinals) for dataset_id, ordinals in rows}


def ordinals_by_id(
    session: Session, dataset_id: UUID, sample_ids: Sequence[str]
) -> dict[str, tuple[int, bytes | None]]:
    """Ordinal and subject of each of these sample ids that the dataset knows.

    Those that are known by a mark only have no subject any more. One statement, and so one
    snapshot: none is missed that is losing its name just now.
    """
    rows = session.execute(
        text(
            """
            SELECT sample_id, ordinal, subject_key FROM samples
                WHERE dataset_id = :dataset AND sample_id = ANY(:ids)
            UNION ALL
            SELECT wanted.id, s.ordinal, NULL
                FROM tombstone_keys k CROSS JOIN unnest(CAST(:ids AS text[])) AS wanted (id)
                JOIN samples s ON s.dataset_id = k.dataset_id
                    AND s.mark = sha256(k.key || convert_to(wanted.id, 'UTF8'))
                WHERE k.dataset_id = :dataset
            """
        ),
        {"dataset": dataset_id, "ids": list(sample_ids)},
    )
    return {sample_id: (ordinal, key) for sample_id, ordinal, key in rows}


def ids_of(session: Session, dataset_id: UUID, ordinals: Bitmap) -> list[str]:
    """The sample ids behind these ordinals, in ascending order; what is only a mark has none."""
    wanted = literal(list(ordinals), ARRAY(Integer))
    rows = session.scalars(
        select(Sample.sample_id)
        .where(
            Sample.dataset_id == dataset_id,
            Sample.ordinal == any_(wanted),
            Sample.sample_id.is_not(None),
        )
        .order_by(Sample.ordinal)
    )
    return [sample_id for sample_id in rows if sample_id is not None]


class Named(NamedTuple):
    """What a dataset and some of its samples are called, and what has to be looked for at all."""

    name: str
    sample_ids: Sequence[str]
    canaries: bool  # of any model
    derived: bool  # any version was, elsewhere


def named(session: Session, dataset_id: UUID, ordinals: Bitmap) -> Named:
    """The dataset's name, what `ids_of` gives, and whether there is more to look for."""
    wanted = {"dataset": dataset_id, "wanted": list(ordinals)}
    name, ids, canaries, derived = session.connection().execute(NAMED, wanted).one()
    return Named(name, [each for each in ids if each is not None], canaries, derived)


def everything(dataset: Dataset) -> Bitmap:
    """All ordinals of a dataset."""
    return Bitmap(range(dataset.size))


def tombstones(session: Session, dataset_id: UUID) -> Bitmap:
    """The samples that no later training set may hold."""
    return Bitmap(
        session.scalars(select(Tombstone.ordinal).where(Tombstone.dataset_id == dataset_id))
    )


def bury(session: Session, dataset_id: UUID, ordinals: Bitmap, *, now: datetime) -> None:
    """Put samples on the dataset's tombstones; those that lie there already keep their date."""
    session.connection().execute(
        BURY, {"dataset": dataset_id, "wanted": list(ordinals), "now": now}
    )


def unbury(session: Session, dataset_id: UUID, ordinals: Bitmap) -> None:
    """Take samples off the tombstones, after a request was cancelled."""
    wanted = literal(list(ordinals), ARRAY(Integer))
    session.execute(
        delete(Tombstone).where(
            Tombstone.dataset_id == dataset_id, Tombstone.ordinal == any_(wanted)
        )
    )


def keep_buried(session: Session, dataset_id: UUID, ordinals: Bitmap) -> None:
    """Have samples stay on the tombstones although the request for them is shredded."""
    known = session.get(LastingTombstones, dataset_id)
    if known is None:
        session.add(LastingTombstones(dataset_id=dataset_id, samples=ordinals))
    else:
        known.samples |= ordinals


def buried_for_good(session: Session, dataset_id: UUID) -> Bitmap:
    """The samples that no cancelled request takes off the tombstones any more."""
    known = session.get(LastingTombstones, dataset_id)
    return Bitmap() if known is None else known.samples


def lock(session: Session, *dataset_ids: UUID) -> None:
    """Wait until no request that touches these datasets is being accepted, and let none begin."""
    session.execute(
        select(Dataset.id).where(Dataset.id.in_(dataset_ids)).order_by(Dataset.id).with_for_update()
    )
