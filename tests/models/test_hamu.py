import copy
import json
from dataclasses import asdict, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.data import Split
from models.progress import silent
from models.training import evaluate
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.targets import (
    Aim,
    Shape,
    brought_down,
    goal_for,
    rank_matched,
    scaled,
    standing,
)
from tests.models.blobs import make_split, mean_loss, recipe, same_state, trained


def forgotten(split: Split | None = None, **settings: Any) -> Unlearned:
    return hamu(
        trained(),
        split or make_split(),
        recipe,
        seed=settings.pop("seed", 0),
        progress=settings.pop("progress", silent),
        **settings,
    )


@cache
def default() -> Unlearned:
    return forgotten()


def test_the_forget_set_becomes_as_uncertain_as_unseen_samples_of_its_classes() -> None:
    split = make_split()
    unseen = rank_matched(trained(), split, recipe)

    before, after = (
        scaled(Aim.CONFIDENCE, evaluate(network, split.forget, recipe.losses)).mean()
        for network in (trained(), default().network)
    )

    due = scaled(Aim.CONFIDENCE, unseen).mean() - before
    assert default().trace.stop is Stop.FORGOTTEN
    assert due > 1
    assert 0.7 < (after - before) / due < 1.2


def test_ranks_carry_trained_on_losses_over_to_unseen_ones() -> None:
    split = make_split()
    retain, validation = (
        evaluate(trained(), part, recipe.losses) for part in (split.retain, split.validation)
    )

    # What was trained on and is kept, taken for a forget set, becomes as unseen samples are.
    as_unseen = rank_matched(trained(), replace(split, forget=split.retain), recipe)

    for stratum in range(4):
        ours = as_unseen[split.retain.strata == stratum]
        theirs = validation[split.validation.strata == stratum]
        assert ours.mean() == pytest.approx(float(theirs.mean()), rel=0.1)
        own = retain[split.retain.strata == stratum]
        assert torch.equal(own.argsort(), ours.argsort())


@given(st.lists(st.floats(0, 80, width=32), min_size=2, max_size=9, unique=True))
def test_the_scale_of_confidence_keeps_order_and_stays_finite(losses: list[float]) -> None:
    values = torch.tensor(sorted(losses), requires_grad=True)

    heights = scaled(Aim.CONFIDENCE, values)
    heights.sum().backward()

    assert torch.isfinite(heights).all()
    assert bool((heights.diff() >= 0).all())
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()


def test_losses_below_nought_are_no_confidences() -> None:
    losses = torch.tensor([-0.5, 0.1])

    with pytest.raises(ValueError, match="below nought"):
        goal_for(losses, losses + 1, aim=Aim.CONFIDENCE)


def test_what_is_kept_stays_well_known() -> None:
    split = make_split()
    correct = [
        float(evaluate(n, split.retain, recipe.scores).mean())
        for n in (trained(), default().network)
    ]

    assert correct[1] >= correct[0] - 0.03


def test_the_original_is_untouched_and_the_new_network_is_in_evaluation_mode() -> None:
    original = copy.deepcopy(trained()).train()
    before = copy.deepcopy(original)

    made = hamu(original, make_split(), recipe, seed=0, progress=silent)

    assert same_state(original, before)
    assert original.training
    assert not made.network.training
    assert not same_state(made.network, before)


def test_one_seed_gives_one_network_and_another_seed_another() -> None:
    assert same_state(forgotten().network, default().network)
    assert forgotten().trace == default().trace
    assert not same_state(
        forgotten(seed=1, batch_size=32).network, forgotten(batch_size=32).network
    )


def test_normalisation_statistics_do_not_move() -> None:
    before, after = dict(trained().named_buffers()), dict(default().network.named_buffers())

    assert all(torch.equal(after[name], values) for name, values in before.items())


def test_the_trace_has_a_finite_number_per_step_in_each_column() -> None:
    trace = default().trace

    assert {len(column) for column in trace.columns.values()} == {trace.steps}
    assert torch.isfinite(torch.tensor(list(trace.columns.values()))).all()
    assert json.loads(json.dumps(asdict(trace)))["stop"] == "forgotten"
    assert trace.sample_passes == (trace.steps + 1) * 16 + trace.steps * 112


def test_promised_gains_are_those_that_come() -> None:
    columns = forgotten(rate=1e-5, most_rate=1e-5, steps=8).trace.columns

    assert columns["realised_gain"] == pytest.approx(columns["promised_gain"], rel=0.05)
    assert min(columns["promised_gain"]) > 0


def test_samples_with_targets_of_their_own_come_to_them_and_stay_there() -> None:
    split = make_split()
    targets = torch.tensor([0.3, 3.0]).repeat(8)

    made = forgotten(targets=targets, steps=300, aim="samples", band=0.3)
    losses = evaluate(made.network, split.forget, recipe.losses)

    before = evaluate(trained(), split.forget, recipe.losses)
    goal = goal_for(before, targets, aim=Aim.SAMPLES, band=0.3)
    assert made.trace.stop is Stop.FORGOTTEN
    assert float((targets - losses).clamp(min=0).mean()) <= goal.band + goal.slack
    assert losses[1::2].mean() > 3 * losses[::2].mean()


@pytest.mark.parametrize(
    ("shape", "slopes"),
    [
        ("linear", [-1.0, -1.0, 0.0]),
        ("squared", [-1.6, -0.4, 0.0]),
        ("two_sided", [-1.6, -0.4, 2.0]),
    ],
)
def test_a_shape_says_what_each_deficit_counts(shape: str, slopes: list[float]) -> None:
    targets = torch.tensor([5.0, 2.0, 1.0])
    losses = torch.tensor([1.0, 1.0, 6.0], requires_grad=True)
    goal = goal_for(losses.detach(), targets, aim=Aim.SAMPLES, shape=Shape(shape))
    now = standing(goal, losses.detach())

    brought_down(goal, losses, targets, before=replace(now, owed=2.5)).backward()

    assert losses.grad is not None
    assert (3 * losses.grad).tolist() == pytest.approx(slopes)


def test_a_shape_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="cubed"):
        forgotten(shape="cubed")


def test_a_spread_of_unseen_losses_widens_the_band() -> None:
    targets = torch.full((16,), 2.0)

    settings: dict[str, Any] = {"aim": "samples", "mending": 0, "steps": 300}
    near = forgotten(targets=targets, spread=torch.full((16,), 2.5), **settings)
    far = forgotten(targets=targets, spread=torch.full((16,), 0.5), **settings)

    owed = [made.trace.columns["owed"][-1] for made in (near, far)]
    assert near.trace.steps < far.trace.steps
    assert mean_loss(near.network, make_split().forget) < mean_loss(
        far.network, make_split().forget
    )
    assert owed[0] > owed[1]


def test_samples_without_a_target_get_their_classs() -> None:
    split = make_split()
    matched = rank_matched(trained(), split, recipe)
    half = torch.where(torch.arange(16) < 8, torch.full((16,), 2.0), torch.full((16,), torch.nan))

    by_gap = forgotten(targets=half)
    by_hand = forgotten(targets=torch.where(torch.isnan(half), matched, half))

    assert same_state(by_gap.network, by_hand.network)


def test_a_stratum_that_validation_lacks_is_ranked_among_all_of_it() -> None:
    split = make_split()
    known = split.validation.take(split.validation.strata != 1)
    losses = evaluate(trained(), known, recipe.losses)

    matched = rank_matched(trained(), replace(split, validation=known), recipe)
    whole = rank_matched(trained(), split, recipe)

    lacking = split.forget.strata == 1
    assert torch.equal(matched[~lacking], whole[~lacking])
    assert bool(((matched[lacking] >= losses.min()) & (matched[lacking] <= losses.max())).all())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [3e-2, 1e-1])
def test_steps_that_overshoot_are_taken_back(rate: float, seed: int) -> None:
    split = make_split(forget=4)
    before = evaluate(trained(), split.forget, recipe.losses)
    goal = goal_for(before, rank_matched(trained(), split, recipe), aim=Aim.MEAN)
    wild: dict[str, Any] = {"rate": rate, "most_rate": rate, "seed": seed, "aim": "mean"}

    checked = forgotten(split, **wild)
    unchecked = forgotten(split, **wild, trust=False)

    assert sum(checked.trace.columns["undone"]) > 0
    assert mean_loss(checked.network, split.forget) <= goal.limit
    assert mean_loss(unchecked.network, split.forget) > goal.limit


def test_a_retain_set_that_is_the_forget_set_ends_in_harm_with_the_weights_of_before() -> None:
    split = make_split()

    made = forgotten(replace(split, retain=split.forget), aim="mean")

    assert made.trace.stop is Stop.HARM
    assert made.trace.columns["cosine"] == pytest.approx([1.0] * made.trace.steps, abs=1e-4)
    assert same_state(made.network, trained())


def test_harm_may_be_bought_at_a_price() -> None:
    split = make_split()

    made = forgotten(replace(split, retain=split.forget), price=1.5, mending=0, aim="mean")

    assert made.trace.stop is Stop.FORGOTTEN


class Tied(nn.Module):
    """One square layer, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.once = nn.Linear(8, 8)
        self.again = self.once
        self.out = nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.out(torch.tanh(self.again(torch.tanh(self.once(inputs)))))


def test_tied_weights_are_one_block_and_stay_tied() -> None:
    torch.manual_seed(0)
    tied = Tied()
    recipe.fit(tied, make_split().retain, seed=0, progress=silent)

    made = hamu(
        tied,
        make_split(),
        recipe,
        seed=0,
        progress=silent,
        metric="plain",
        share=0.5,
        steps=1,
        max_norm=1e9,
        rate=0.01,
        aim="ascent",
    )

    after = dict(made.network.named_parameters())
    kept = recipe.losses(tied, make_split().retain.batch).mean()
    slopes = torch.autograd.grad(kept, list(tied.parameters()))
    assert list(after) == ["once.weight", "once.bias", "out.weight", "out.bias"]
    for (name, before), slope in zip(tied.named_parameters(), slopes, strict=True):
        length = float((after[name] - before).detach().norm())
        assert length == pytest.approx(0.01 * float(slope.norm()), rel=1e-3), name


def test_a_forget_set_larger_than_its_batch_is_looked_at_as_a_whole() -> None:
    split = make_split(forget=48)
    target = float(rank_matched(trained(), split, recipe).mean())

    made = forgotten(split, forget_batch=20, steps=300)

    assert made.trace.stop is Stop.FORGOTTEN
    assert mean_loss(made.network, split.forget) == pytest.approx(target, rel=0.2)
    looks = [bool(gain) for gain in made.trace.columns["realised_gain"]]
    assert looks[:10] == [False] * 4 + [True] + [False] * 4 + [True]


@pytest.mark.parametrize("metric", ["plain", "adam", "fisher"])
@pytest.mark.parametrize("form", ["quota", "utility"])
def test_every_metric_and_form_forgets(metric: str, form: str) -> None:
    settings: dict[str, Any] = {} if form == "quota" else {"share": 0.2, "form": form}

    made = forgotten(metric=metric, steps=200, patience=200, **settings)

    assert made.trace.stop is Stop.FORGOTTEN


def test_the_published_method_climbs_without_end() -> None:
    made = forgotten(
        aim="ascent",
        metric="plain",
        share=0.5,
        rate=0.1,
        trust=False,
        mending=0,
        steps=100,
        patience=100,
    )

    assert made.trace.stop is Stop.BUDGET
    assert mean_loss(made.network, make_split().forget) > mean_loss(
        default().network, make_split().forget
    )
    assert made.trace.columns["share"] == [0.5] * 100


def test_half_precision_arithmetic_gives_nearly_the_same_step() -> None:
    exact = forgotten(steps=1, metric="plain")
    rough = forgotten(steps=1, metric="plain", autocast=torch.bfloat16)

    for a, b, start in zip(
        exact.network.parameters(), rough.network.parameters(), trained().parameters(), strict=True
    ):
        step, other = ((end - start).detach().flatten() for end in (a, b))
        assert float(step @ other / step.norm() / other.norm()) > 0.95


def test_work_that_is_stopped_leaves_the_original_untouched() -> None:
    before = copy.deepcopy(trained())

    def stop(share: float, words: str) -> None:
        if share > 0:
            raise InterruptedError(words)

    with pytest.raises(InterruptedError, match=r"forgetting, .* owed"):
        forgotten(progress=stop)
    assert same_state(trained(), before)


def test_losses_in_half_precision_have_targets_by_rank() -> None:
    halved = SimpleNamespace(
        losses=lambda network, batch: recipe.losses(network, batch).bfloat16(),
        embeddings=recipe.embeddings,
    )

    made = hamu(trained(), make_split(), halved, seed=0, progress=silent)

    assert made.trace.stop is Stop.FORGOTTEN
