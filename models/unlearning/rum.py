"""Refined unlearning: split the forget set by how hard it is, and treat each part in its own way.

Source: Zhao et al., "What Makes Unlearning Hard and What to Do About It", arXiv 2406.01257. The
groups are built once and named by id and digest; networks are handed on in memory. The methods are
handed in, so that no method knows another.
"""

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data import Batch, Samples, Split, leaves
from models.hardness.entanglement import centroid_distances
from models.hardness.memorization import holdout_proxy, tuned_on_holdout
from models.progress import Progress
from models.recipe import Recipe
from models.training import evaluate
from models.unlearning.contract import Method, Stop, Trace, Unlearned
from models.unlearning.gradients import require_both_sets


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
    """Samples of similar hardness. `digest`: SHA-256 of the JSON list of their ids, in hex."""

    ids: tuple[str, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.ids).encode()).hexdigest()


def rum(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    methods: Sequence[Method],
    scores: Mapping[str, float] | None = None,
    order: Order = Order.LOW_FIRST,
    pending: Pending = Pending.OUT,
    shuffle: bool = False,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Unlearn group by group, each time from the network that the group before left.

    `methods`: one for each group, from the lowest scores to the highest; `nothing` is one of them.
    `scores`: of each forget sample, by id, higher being harder; by default the post-hoc
    memorization proxy. `shuffle`: deal the samples to groups at random, the control for what the
    refinement itself is worth. With one method, RUM is that method.
    """
    require_both_sets(split)
    if all(method is nothing for method in methods):
        raise ValueError("RUM needs a method that moves weights for one group at least")
    if scores is None:
        scores = memorization_scores(network, split, recipe, seed=seed)
    groups = refined(split.forget, scores, len(methods), shuffle_seed=seed if shuffle else None)
    traces: list[Trace] = []
    turns = list(turns_of(split, groups, order=order, pending=pending))
    for turn, (place, part) in enumerate(turns):
        done = methods[place](
            network,
            part,
            recipe,
            seed=seed + turn,
            progress=within(progress, turn, len(turns), f"group {place + 1}"),
        )
        network = done.network
        traces.append(done.trace)
    places = [place for place, _ in turns]
    return Unlearned(network, merged(traces, places, groups))


def nothing(
    network: nn.Module, split: Split, recipe: Recipe, /, *, seed: int, progress: Progress
) -> Unlearned:
    """Leave a group as it is: right where a retrained network would say the same of it."""
    return Unlearned(deepcopy(network).eval(), Trace(Stop.FORGOTTEN, steps=0, sample_passes=0))


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
    for sample_id in forget.ids:
        if not math.isfinite(scores.get(sample_id, math.nan)):
            raise ValueError(f"sample {sample_id!r} has no finite score")
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
        subjects=None
        if first.subjects is None or second.subjects is None
        else first.subjects + second.subjects,
    )


def rebuilt(batch: Batch, parts: Sequence[Tensor]) -> Batch:
    """A batch of the same form with other tensors, in the order of `leaves`."""
    if isinstance(batch, Tensor):
        return parts[0]
    if isinstance(batch, Mapping):
        return dict(zip(batch, parts, strict=True))
    return tuple(parts)


def merged(traces: Sequence[Trace], places: Sequence[int], groups: Sequence[Group]) -> Trace:
    """One trace of all groups; columns keep their group's number, notes its digest."""
    columns = {
        f"group_{place + 1}.{name}": list(column)
        for place, trace in zip(places, traces, strict=True)
        for name, column in trace.columns.items()
    }
    notes = [
        f"group {place + 1}: {len(groups[place].ids)} samples, sha256 {groups[place].digest},"
        f" {trace.steps} steps, {trace.stop}"
        for place, trace in zip(places, traces, strict=True)
    ]
    return Trace(
        stop=traces[-1].stop,
        steps=sum(trace.steps for trace in traces),
        sample_passes=sum(trace.sample_passes for trace in traces),
        columns=columns,
        notes=(*notes, *(note for trace in traces for note in trace.notes)),
    )


def within(progress: Progress, turn: int, turns: int, name: str) -> Progress:
    """The progress of one turn as a part of the whole."""
    return lambda share, words: progress((turn + share) / turns, f"{name}: {words}")


def memorization_scores(
    network: nn.Module, split: Split, recipe: Recipe, *, seed: int
) -> dict[str, float]:
    """The post-hoc memorization proxy of each forget sample, by id."""
    passes = 2 * len(split.validation)
    tuned = tuned_on_holdout(network, split.validation, recipe, passes=passes, seed=seed)
    scores = holdout_proxy(network, tuned, split.forget, recipe)
    return dict(zip(split.forget.ids, scores.tolist(), strict=True))


def entanglement_scores(network: nn.Module, split: Split, recipe: Recipe) -> dict[str, float]:
    """Each forget sample's distance to the centroid of all embeddings, by id."""
    distances = centroid_distances(
        evaluate(network, split.retain, recipe.embeddings),
        evaluate(network, split.forget, recipe.embeddings),
    )
    return dict(zip(split.forget.ids, distances.tolist(), strict=True))
