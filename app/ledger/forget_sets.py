"""Commits to the samples of a request or a job, so that receipts need not name them."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.evidence import sample_sets
from app.evidence.sample_sets import Named
from app.ledger import datasets
from app.ledger.log_tables import SampleCommitment
from app.ledger.tables import Dataset


def committed(session: Session, owner_id: UUID, samples: Mapping[UUID, Bitmap]) -> SampleCommitment:
    """The commitment to these samples, by dataset; made at the first call for this owner."""
    known = session.get(SampleCommitment, owner_id)
    return commit(session, owner_id, samples) if known is None else known


def commit(session: Session, owner_id: UUID, samples: Mapping[UUID, Bitmap]) -> SampleCommitment:
    """A new commitment to these samples, by dataset."""
    return commit_named(session, owner_id, named(session, samples))


def commit_named(session: Session, owner_id: UUID, names: Iterable[Named]) -> SampleCommitment:
    """A new commitment to samples of these names."""
    key = secrets.token_bytes(sample_sets.KEY_SIZE)
    made = sample_sets.commit(key, names)
    row = SampleCommitment(owner_id=owner_id, count=made.count, root=made.root, key=key)
    session.add(row)
    return row


@dataclass(frozen=True)
class Names:
    """The names of samples, by dataset and ordinal, and those of the datasets."""

    datasets: dict[UUID, str]
    samples: dict[UUID, dict[int, str]]

    def of(self, samples: Mapping[UUID, Bitmap]) -> Iterator[Named]:
        """Some of these samples by name, in the order of `named`."""
        for dataset_id in sorted(samples, key=self.datasets.__getitem__):
            for ordinal in samples[dataset_id]:
                yield Named(self.datasets[dataset_id], self.samples[dataset_id][ordinal])


def names(session: Session, samples: Mapping[UUID, Bitmap]) -> Names:
    """What these samples are called, read at once."""
    by_ordinal = {
        dataset_id: dict(zip(ordinals, datasets.ids_of(session, dataset_id, ordinals), strict=True))
        for dataset_id, ordinals in samples.items()
    }
    called = {dataset_id: session.get_one(Dataset, dataset_id).name for dataset_id in samples}
    return Names(called, by_ordinal)


def named(session: Session, samples: Mapping[UUID, Bitmap]) -> Iterator[Named]:
    """The samples by name: by dataset in the order of names, in each by ordinal."""
    owners = [session.get_one(Dataset, dataset_id) for dataset_id in samples]
    for dataset in sorted(owners, key=lambda dataset: dataset.name):
        for sample_id in datasets.ids_of(session, dataset.id, samples[dataset.id]):
            yield Named(dataset.name, sample_id)
