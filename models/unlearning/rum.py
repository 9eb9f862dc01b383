"""Refined unlearning: split the forget set by how hard it is, and treat each part in its own way.

Source: Zhao et al., "What Makes Unlearning Hard and What to Do About It", arXiv 2406.01257. The
groups are built once and named by id and digest; networks are handed on in memory. The methods are
handed in, so that no method knows another.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import islice

from torch import nn

from models.batch_losses import movable, require_losses_per_sample
from models.data import Split
from models.hardness.entanglement import centroid_distances
from models.hardness.memorization import ROUNDS, WATCHED, holdout_proxy, tuned_on_holdout
from models.progress import Progress
from models.recipe import Recipe
from models.resuming import Resume
from models.training import evaluate
from models.unlearning.contract import Method, Stop, Trace, Unlearned
from models.unlearning.gradients import require_both_sets
from models.unlearning.rum_groups import Group, Order, Pending, refined, turns_of
from models.unlearning.rum_resuming import Course, leave, take_up


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
    resume: Resume | None = None,
) -> Unlearned:
    """Unlearn group by group, each time from the network that the group before left.

    `methods`: one for each group, from the lowest scores to the highest; `nothing` is one of them.
    `scores`: of each forget sample, by id, higher being harder; by default the post-hoc
    memorization proxy. `shuffle`: deal the samples to groups at random, the control for what the
    refinement itself is worth. With one method, RUM is that method.

    `resume`: where the groups and the network are left before each turn; a run that was killed
    begins the turn that it was in once more, and ends with the same bits.
    """
    require_both_sets(split)
    movable(network)
    if all(method is nothing for method in methods):
        raise ValueError("RUM needs a method that moves weights for one group at least")
    course = None if resume is None else take_up(resume, network, split.forget)
    if course is None:
        ranked = (
            memorization_scores(network, split, recipe, seed=seed) if scores is None else scores
        )
        dealing = seed if shuffle else None
        course = Course(network, refined(split.forget, ranked, len(methods), shuffle_seed=dealing))
    turns = list(turns_of(split, course.groups, order=order, pending=pending))
    for turn, (place, part) in islice(enumerate(turns), len(course.traces), None):
        if resume is not None:
            leave(resume, course, split.forget)
        watcher = within(progress, turn, len(turns), f"group {place + 1}")
        done = methods[place](course.network, part, recipe, seed=seed + turn, progress=watcher)
        course.network = done.network
        course.traces.append(done.trace)
    places = [place for place, _ in turns]
    trace = merged(course.traces, places, course.groups)
    scored = 0 if scores is not None else scoring_passes(split)
    trace = replace(trace, sample_passes=trace.sample_passes + scored)
    return Unlearned(course.network, trace)


def nothing(
    network: nn.Module, split: Split, recipe: Recipe, /, *, seed: int, progress: Progress
) -> Unlearned:
    """Leave a group as it is: right where a retrained network would say the same of it.

    Its stop is the budget's, as nobody measured whether the group looks like unseen data.
    """
    return Unlearned(deepcopy(network).eval(), Trace(Stop.BUDGET, steps=0, sample_passes=0))


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
    require_losses_per_sample(network, recipe, split.forget)
    passes = ROUNDS * len(split.validation)
    tuned = tuned_on_holdout(network, split.validation, recipe, passes=passes, seed=seed)
    scores = holdout_proxy(network, tuned, split.forget, recipe)
    return dict(zip(split.forget.ids, scores.tolist(), strict=True))


def scoring_passes(split: Split) -> int:
    """The samples that go through the network for these scores."""
    watched = min(len(split.validation), WATCHED)
    return ROUNDS * len(split.validation) + 2 * (watched + len(split.forget))


def entanglement_scores(network: nn.Module, split: Split, recipe: Recipe) -> dict[str, float]:
    """Each forget sample's distance to the centroid of all embeddings, by id."""
    distances = centroid_distances(
        evaluate(network, split.retain, recipe.embeddings),
        evaluate(network, split.forget, recipe.embeddings),
    )
    return dict(zip(split.forget.ids, distances.tolist(), strict=True))
