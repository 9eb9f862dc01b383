import copy
import hashlib
import itertools
import json
import math
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.data import Samples, Split, leaves
from models.progress import Progress, silent
from models.recipe import Recipe
from models.recipes.digits import recipe
from models.unlearning import METHODS
from models.unlearning.contract import Method, Stop, Trace, Unlearned
from models.unlearning.finetune import finetune
from models.unlearning.rum import entanglement_scores, nothing, rum
from models.unlearning.rum_groups import Order, Pending, joined, refined
from models.unlearning.salun import salun


@dataclass(frozen=True)
class Turn:
    """What a method was given."""

    name: str
    split: Split
    weight: float
    seed: int


@dataclass
class Recorder:
    """A method that raises the weight by `by` and remembers what it was given."""

    name: str
    by: float
    log: list[Turn]

    def __call__(
        self, network: nn.Module, split: Split, recipe: Recipe, /, *, seed: int, progress: Progress
    ) -> Unlearned:
        moved = copy.deepcopy(network)
        (weight,) = moved.parameters()
        self.log.append(Turn(self.name, split, weight.item(), seed))
        weight.data += self.by
        progress(1.0, self.name)
        trace = Trace(Stop.BUDGET, steps=2, sample_passes=3, columns={"loss": [0.5, 0.25]})
        return Unlearned(moved, trace)


def make_samples(count: int, *, name: str = "s") -> Samples:
    ids = tuple(f"{name}{place}" for place in range(count))
    return Samples(ids, torch.arange(float(count)), torch.zeros(count, dtype=torch.int64))


def make_split(forget: int = 6) -> Split:
    return Split(make_samples(forget, name="f"), make_samples(4, name="r"), make_samples(2))


def rising(samples: Samples) -> dict[str, float]:
    """The later a sample, the harder."""
    return {sample_id: float(place) for place, sample_id in enumerate(samples.ids)}


def recorders(count: int) -> tuple[list[Method], list[Turn]]:
    """Methods that add 1, 10, 100 and so on, and what they will be given."""
    log: list[Turn] = []
    return [Recorder(f"method {place}", 10.0**place, log) for place in range(count)], log


def weighing_nothing() -> nn.Module:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    return network


def run(split: Split, methods: list[Method], **knobs: object) -> Unlearned:
    arguments = {"scores": rising(split.forget), "seed": 0, "progress": silent, **knobs}
    return partial(rum, methods=methods, **arguments)(weighing_nothing(), split, recipe)  # type: ignore[arg-type]


def test_each_group_goes_to_its_own_method_from_low_to_high() -> None:
    methods, log = recorders(3)

    run(make_split(), methods)

    assert [(turn.name, turn.split.forget.ids) for turn in log] == [
        ("method 0", ("f0", "f1")),
        ("method 1", ("f2", "f3")),
        ("method 2", ("f4", "f5")),
    ]


def test_the_order_can_be_turned_without_turning_the_methods() -> None:
    methods, log = recorders(3)

    run(make_split(), methods, order=Order.HIGH_FIRST)

    assert [(turn.name, turn.split.forget.ids) for turn in log] == [
        ("method 2", ("f4", "f5")),
        ("method 1", ("f2", "f3")),
        ("method 0", ("f0", "f1")),
    ]


@pytest.mark.parametrize(
    ("order", "received"),
    [(Order.LOW_FIRST, [0, 1, 11]), (Order.HIGH_FIRST, [0, 100, 110])],
)
def test_each_turn_begins_with_the_weights_that_the_turn_before_left(
    order: Order, received: list[float]
) -> None:
    methods, log = recorders(3)

    done = run(make_split(), methods, order=order, seed=7)

    assert [turn.weight for turn in log] == received
    assert [turn.seed for turn in log] == [7, 8, 9]
    assert next(done.network.parameters()).item() == 111


def test_groups_that_pend_are_left_alone_unless_asked_otherwise() -> None:
    methods, log = recorders(3)
    split = make_split()

    run(split, methods)

    assert [turn.split.retain.ids for turn in log] == [split.retain.ids] * 3


def test_asked_to_shuffle_it_deals_the_groups_by_its_seed() -> None:
    methods, log = recorders(3)
    split = make_split(30)

    run(split, methods, shuffle=True, seed=5)

    dealt = refined(split.forget, rising(split.forget), 3, shuffle_seed=5)
    assert [turn.split.forget.ids for turn in log] == [group.ids for group in dealt]
    assert dealt != refined(split.forget, rising(split.forget), 3)


def test_by_its_name_it_does_nothing_then_finetunes_then_relabels() -> None:
    named = METHODS["rum"]

    assert isinstance(named, partial)
    assert named.func is rum
    assert named.keywords == {"methods": (nothing, finetune, salun)}


def test_entangled_samples_are_those_near_the_centroid_of_all_and_not_of_their_own() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    far, kept = (
        replace(make_samples(2), batch=(torch.tensor(places), labels))
        for places in ([[4.0], [8.0]], [[0.0], [0.0]])
    )

    scores = entanglement_scores(weighing_nothing(), Split(far, kept, kept), recipe)

    assert scores == {"s0": 1.0, "s1": 5.0}  # from 3; from their own, 6, both would be at 2


@pytest.mark.parametrize(
    ("pending", "extra"),
    [
        (Pending.OUT, [(), (), ()]),
        (Pending.IN, [("f2", "f3", "f4", "f5"), ("f4", "f5"), ()]),
    ],
)
def test_pending_groups_are_retained_or_left_alone(
    pending: Pending, extra: list[tuple[str, ...]]
) -> None:
    methods, log = recorders(3)
    split = make_split()

    run(split, methods, pending=pending)

    assert [turn.split.retain.ids for turn in log] == [split.retain.ids + more for more in extra]
    for turn in log:
        assert not set(turn.split.retain.ids) & set(turn.split.forget.ids)


def test_groups_are_named_by_digest_in_the_trace() -> None:
    methods, _ = recorders(2)

    trace = run(make_split(4), methods).trace

    digest = hashlib.sha256(json.dumps(["f0", "f1"]).encode()).hexdigest()
    assert trace.notes[0] == f"group 1: 2 samples, sha256 {digest}, 2 steps, budget"
    assert (trace.steps, trace.sample_passes) == (4, 6)
    assert trace.columns == {"group_1.loss": [0.5, 0.25], "group_2.loss": [0.5, 0.25]}


def test_progress_runs_once_from_start_to_end() -> None:
    methods, _ = recorders(3)
    seen: list[float] = []

    run(make_split(), methods, progress=lambda share, words: seen.append(share))

    assert seen == pytest.approx([1 / 3, 2 / 3, 1.0])


@given(st.lists(st.integers(0, 3), min_size=3, max_size=30), st.integers(1, 3), st.integers(0, 99))
def test_groups_are_disjoint_ordered_even_and_independent_of_the_samples_order(
    marks: list[int], count: int, seed: int
) -> None:
    forget = make_samples(len(marks))
    scores = dict(zip(forget.ids, map(float, marks), strict=True))
    generator = torch.Generator().manual_seed(seed)
    mixed = forget.take(torch.randperm(len(forget), generator=generator))

    groups = refined(forget, scores, count)

    ids = [each for group in groups for each in group.ids]
    assert sorted(ids) == sorted(forget.ids)
    sizes = [len(group.ids) for group in groups]
    assert max(sizes) - min(sizes) <= 1
    for lower, upper in itertools.pairwise(groups):
        assert max(scores[i] for i in lower.ids) <= min(scores[i] for i in upper.ids)
    again = refined(mixed, scores, count)
    assert [group.digest for group in again] == [group.digest for group in groups]


def test_shuffled_groups_are_the_same_in_every_run_and_not_those_of_the_scores() -> None:
    forget = make_samples(30)

    first = refined(forget, rising(forget), 3, shuffle_seed=5)
    second = refined(forget, rising(forget), 3, shuffle_seed=5)

    assert [group.digest for group in first] == [group.digest for group in second]
    assert first != refined(forget, rising(forget), 3)
    assert sorted(i for group in first for i in group.ids) == sorted(forget.ids)


def test_doing_nothing_gives_a_copy() -> None:
    network = nn.Linear(2, 2).train()

    done = nothing(network, make_split(), recipe, seed=0, progress=silent)

    assert done.network is not network
    assert torch.equal(next(done.network.parameters()), network.weight)
    assert (done.trace.steps, done.network.training) == (0, False)
    assert done.trace.stop is Stop.BUDGET  # nobody measured whether it is forgotten


@pytest.mark.parametrize(
    ("split", "scores", "message"),
    [
        pytest.param(make_split(2), None, "into 3 groups", id="more groups than samples"),
        pytest.param(make_split(0), None, "set is empty", id="nothing to forget"),
        pytest.param(
            make_split(), {"f0": 1.0}, "5 of the samples have no", id="a score is missing"
        ),
        pytest.param(
            make_split(),
            {f"f{i}": math.nan for i in range(6)},
            "6 of the samples have no",
            id="NaN",
        ),
    ],
)
def test_bad_input_is_refused(split: Split, scores: dict[str, float] | None, message: str) -> None:
    methods, _ = recorders(3)

    with pytest.raises(ValueError, match=message):
        run(split, methods, scores=scores or rising(split.forget))


def test_no_scores_at_all_are_not_replaced_by_others() -> None:
    methods, _ = recorders(3)

    with pytest.raises(ValueError, match="6 of the samples have no"):
        run(make_split(), methods, scores={})


def test_doing_nothing_everywhere_is_not_unlearning() -> None:
    with pytest.raises(ValueError, match="moves weights"):
        run(make_split(), [nothing, nothing, nothing])


def test_what_was_joined_keeps_every_tensor_of_its_batch_and_whose_it_is() -> None:
    first = replace(make_samples(2, name="a"), batch={"x": torch.zeros(2, 3), "y": torch.zeros(2)})
    second = replace(make_samples(1, name="b"), batch={"x": torch.ones(1, 3), "y": torch.ones(1)})
    first = replace(first, subjects=("ada", "ben"), groups=("young", "old"))
    second = replace(second, subjects=("eve",), groups=("old",))

    both = joined(first, second)

    assert both.ids == ("a0", "a1", "b0")
    assert both.subjects == ("ada", "ben", "eve")
    assert both.groups == ("young", "old", "old")
    assert joined(first, replace(second, groups=None)).groups is None
    assert [leaf.shape[0] for leaf in leaves(both.batch)] == [3, 3]
    for leaf, own in zip(leaves(both.named(["b0"]).batch), leaves(second.batch), strict=True):
        assert torch.equal(leaf, own)
