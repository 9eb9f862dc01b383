"""Which samples of a forget set are forgotten together, and in which turn."""

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from models.data import Batch, Samples, Split, leaves


class Order(StrEnum):
    """Which group goes first."""

    LOW_FIRST = "low_first"  # as published
    HIGH_FIRST = "high_first"


class Pending(StrEnum):
    """What becomes of groups whose turn is still to come."""

    IN = "in"  # they count as retained until then, as published; this strengthens them first
    OUT = "out"  # they are left alone until then


@dataclass(frozen=True)
class Group:
    """Samples of similar hardness.

    `digest`: SHA-256 of the JSON list of their ids, sorted, in hex. The same samples have the same
    digest in whichever order they came.
    """

    ids: tuple[str, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(sorted(self.ids)).encode()).hexdigest()


def refined(
    forget: Samples, scores: Mapping[str, float], count: int, *, shuffle_seed: int | None = None
) -> list[Group]:
    """Groups of equal size (±1), from the lowest scores to the highest.

    Equal scores are told apart by id, so that the groups never depend on the samples' order; within
    a group the samples keep the order of the forget set. A seed deals them out at random instead.
    Raises `ValueError` for a sample without a finite score and for more groups than samples.
    """
    if not 1 <= count <= len(forget):
        raise ValueError(f"{len(forget)} samples cannot be split into {count} groups")
    # Counted and not named: a job that is retrained for it says so in its receipts.
    if bad := sum(not math.isfinite(scores.get(sample_id, math.nan)) for sample_id in forget.ids):
        raise ValueError(f"{bad} of the samples have no finite score")
    ranked = sorted(forget.ids, key=lambda sample_id: (scores[sample_id], sample_id))
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(ranked)
    parts = [
        set(ranked[places[0] : places[-1] + 1])
        for places in torch.arange(len(ranked)).tensor_split(count)
    ]
    return [Group(tuple(each for each in forget.ids if each in part)) for part in parts]


def turns_of(
    split: Split, groups: Sequence[Group], *, order: Order, pending: Pending
) -> Iterator[tuple[int, Split]]:
    """Each group's place and what its method gets to see, in the order in which they are due."""
    due = list(range(len(groups)))
    if order is Order.HIGH_FIRST:
        due.reverse()
    for turn, place in enumerate(due):
        retain = split.retain
        if pending is Pending.IN:
            later = [each for group in due[turn + 1 :] for each in groups[group].ids]
            retain = joined(retain, split.forget.named(later)) if later else retain
        forget = split.forget.named(groups[place].ids)
        yield place, Split(forget, retain, split.validation)


def joined(first: Samples, second: Samples) -> Samples:
    """The samples of both, in that order."""
    pairs = zip(leaves(first.batch), leaves(second.batch), strict=True)
    return Samples(
        ids=first.ids + second.ids,
        batch=rebuilt(first.batch, [torch.cat(pair) for pair in pairs]),
        strata=torch.cat((first.strata, second.strata)),
        subjects=both(first.subjects, second.subjects),
        groups=both(first.groups, second.groups),
    )


def both(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The words of both sides, in that order; None where one side has none."""
    return None if first is None or second is None else first + second


def rebuilt(batch: Batch, parts: Sequence[Tensor]) -> Batch:
    """A batch of the same form with other tensors, in the order of `leaves`."""
    if isinstance(batch, Tensor):
        return parts[0]
    if isinstance(batch, Mapping):
        return dict(zip(batch, parts, strict=True))
    return tuple(parts)
