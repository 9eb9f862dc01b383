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


def committed(session: Session, owner_id: UUID, samples: Mapping[UUID, Bitmap]) -> SampleCommitment:
    """The commitment to these samples, by dataset; made at the first call for this owner."""
    known = session.get(SampleCommitment, owner_id)
    return commit(session, owner_id, samples) if known is None else known


def commit(session: Session, owner_id: UUID, samples: Mapping[UUID, Bitmap]) -> SampleCommitment:
    """A new commitment to these samples, by dataset."""
    row = commitment(owner_id, names(session, samples).of(samples))
    session.add(row)
    return row


def commitment(owner_id: UUID, names: Iterable[Named]) -> SampleCommitment:
    """A new commitment to samples of these names, not yet in the database."""
    key = secrets.token_bytes(sample_sets.KEY_SIZE)
    made = sample_sets.commit(key, names)
    return SampleCommitment(owner_id=owner_id, count=made.count, root=made.root, key=key)


@dataclass(frozen=True)
class Names:
    """The names of samples, by dataset and ordinal, and those of the datasets.

    Read along: whether there are canaries at all, and versions derived elsewhere.
    """

    datasets: dict[UUID, str]
    samples: dict[UUID, dict[int, str]]
    canaries: bool
    derived: bool

    def of(self, samples: Mapping[UUID, Bitmap]) -> Iterator[Named]:
        """Some of these samples by name, by dataset in the order of names, in each by ordinal."""
        given = [dataset_id for dataset_id, ordinals in samples.items() if ordinals]
        for dataset_id in sorted(given, key=self.datasets.__getitem__):
            for ordinal in samples[dataset_id]:
                yield Named(self.datasets[dataset_id], self.samples[dataset_id][ordinal])


def names(session: Session, samples: Mapping[UUID, Bitmap]) -> Names:
    """What these samples are called, read at once."""
    found = {of: datasets.named(session, of, ordinals) for of, ordinals in samples.items()}
    return Names(
        datasets={of: named.name for of, named in found.items()},
        samples={
            of: dict(zip(samples[of], named.sample_ids, strict=True)) for of, named in found.items()
        },
        canaries=any(named.canaries for named in found.values()),
        derived=any(named.derived for named in found.values()),
    )
