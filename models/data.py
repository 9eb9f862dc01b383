"""Samples in memory: what a network is trained on, with the ids that name people's data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

# A batch is what the recipe's network and losses understand: a tensor, or several by place or
# name. The first dimension of every tensor in it counts samples.
Batch = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]


@dataclass(frozen=True)
class Samples:
    """An ordered set of samples.

    `ids`: N stable, unique strings, chosen by the owner of the data.
    `batch`: all N samples as one batch, on the CPU.
    `strata`: int64 `[N]`, within which samples are compared: a labelled sample's class, else 0.
    `subjects`: whom each sample belongs to, where the source knows; the ledger keeps its own map.
    `groups`: subgroups of people for whom an audit is to say how well they are served, by name.
    """

    ids: tuple[str, ...]
    batch: Batch
    strata: Tensor
    subjects: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        sizes = {len(leaf) for leaf in leaves(self.batch)} | {len(self.ids), len(self.strata)}
        if len(sizes) != 1:
            raise ValueError(f"ids, strata and the tensors of a batch differ in length: {sizes}")
        for name, words in (("subjects", self.subjects), ("groups", self.groups)):
            if words is not None and len(words) != len(self.ids):
                raise ValueError(f"{len(words)} {name} for {len(self.ids)} samples")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def owners(self) -> tuple[str, ...]:
        """Whom each sample belongs to; itself, where nobody knows."""
        return self.ids if self.subjects is None else self.subjects

    def take(self, rows: Tensor) -> Self:
        """The samples at these places (int64 or bool mask), in that order."""
        if rows.dtype == torch.bool:
            rows = rows.nonzero().flatten()
        places = rows.tolist()
        return type(self)(
            ids=tuple(self.ids[place] for place in places),
            batch=map_batch(lambda leaf: leaf[rows], self.batch),
            strata=self.strata[rows],
            subjects=None if self.subjects is None else tuple(self.subjects[p] for p in places),
            groups=None if self.groups is None else tuple(self.groups[p] for p in places),
        )

    def named(self, ids: Iterable[str]) -> Self:
        """The samples with these ids, in the order asked for; unknown ids are a `ValueError`."""
        place = {sample_id: index for index, sample_id in enumerate(self.ids)}
        wanted = list(ids)
        unknown = [sample_id for sample_id in wanted if sample_id not in place]
        if unknown:
            raise ValueError(
                f"{len(unknown)} ids are not among these samples, {unknown[0]!r} first"
            )
        return self.take(
            torch.tensor([place[sample_id] for sample_id in wanted], dtype=torch.int64)
        )

    def batches(
        self,
        size: int,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
    ) -> Iterator[Batch]:
        """One pass in batches of at most `size`; shuffled where a generator is given."""
        for rows in row_batches(len(self), size, generator=generator):
            yield self.rows(rows, device=device)

    def rows(self, rows: Tensor, *, device: torch.device | str = "cpu") -> Batch:
        """The batch of the samples at these places (int64 `[B]`), on the device."""
        return map_batch(lambda leaf: leaf[rows].to(device), self.batch)


@dataclass(frozen=True)
class Holdout:
    """Samples never trained on: one part sets targets and feeds attacks, the other only reports."""

    validation: Samples
    test: Samples


@dataclass(frozen=True)
class Split:
    """One job's view of the data: what must be forgotten, what is kept, and what was never seen."""

    forget: Samples
    retain: Samples
    validation: Samples


def row_batches(
    count: int, size: int, *, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Places 0..count-1 in pieces of at most `size`, shuffled where a generator is given.

    No places, no pieces: a batch of nothing is more than some networks can bear.
    """
    if count == 0:
        return iter(())
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    return iter(order.split(size))


def even_row_batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """A shuffled pass over places 0..count-1, in pieces of at most `size` that differ by one.

    To be learnt from: a last piece of one sample that weighs as much as all of another ruins a
    network (all of five Omniglot ones with 3777 samples, 64 at a time), and batch normalisation
    cannot take it.
    """
    return iter(torch.randperm(count, generator=generator).tensor_split(-(-count // size)))


def endless_row_batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Pass after pass over places 0..count-1, each shuffled anew, in pieces of at most `size`."""
    if count == 0:
        raise ValueError("there is nothing to pass over")
    while True:
        yield from row_batches(count, size, generator=generator)


def leaves(batch: Batch) -> list[Tensor]:
    """The tensors of a batch, in a fixed order."""
    if isinstance(batch, Tensor):
        return [batch]
    return list(batch.values() if isinstance(batch, Mapping) else batch)


def map_batch(function: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    """The same batch with the function applied to each tensor."""
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {name: function(leaf) for name, leaf in batch.items()}
    return tuple(function(leaf) for leaf in batch)


def lot(count: int, *, seed: int, most: int) -> Tensor:
    """At most so many of the places 0..count-1, drawn by the seed, ascending; int64.

    Every so many-th of them would be of one class where classes take turns.
    """
    if count <= most:
        return torch.arange(count)
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most]
    return drawn.sort().values
