"""Endless shuffled batches that can be left in the middle and gone on with."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Shuffled:
    """Places 0..count-1, `size` at a time; shuffled anew where fewer are left.

    `order`: of the present pass, `[count]`; `taken`: how many of it are drawn. With the generator
    they are all that the next batches depend on.
    """

    count: int
    size: int
    generator: torch.Generator
    order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    taken: int = 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        if self.taken + self.size > len(self.order):
            self.order, self.taken = torch.randperm(self.count, generator=self.generator), 0
        rows = self.order[self.taken : self.taken + self.size]
        self.taken += self.size
        return rows


def full_batches(count: int, size: int, *, generator: torch.Generator) -> Shuffled:
    """Endless shuffled places 0..count-1, always min(size, count): a short last batch is noise."""
    return Shuffled(count, min(size, count), generator)


@dataclass
class Renewed:
    """Places 0..count-1, at most `size` at a time; shuffled anew at the end and every `steps`.

    `order` and `taken` are as in `Shuffled`, `drawn` says how many batches there were so far. With
    the generator they are all that the next batches depend on.
    """

    count: int
    size: int
    steps: int
    generator: torch.Generator
    order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    taken: int = 0
    drawn: int = 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        if self.taken == len(self.order) or self.drawn % self.steps == 0:
            self.order, self.taken = torch.randperm(self.count, generator=self.generator), 0
        rows = self.order[self.taken : self.taken + self.size]
        self.taken += len(rows)
        self.drawn += 1
        return rows
