"""How long ∇τ runs and how strongly it pulls, by the table of its notes; and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.data import Split
from models.diverged import Diverged
from models.progress import silent
from models.recipe import Recipe
from models.unlearning.nabla_tau import nabla_tau
from models.unlearning.nabla_tau_schedule import IMAGE, TEXT, Preset, Schedule, schedule_of
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.spoilt import spoilt

EVERY = 5  # forget-epochs from one τ to the next


# Section 2.4, "resulting budgets": |R|, |F|, E, steps, how often τ is taken, α₀.
@pytest.mark.parametrize(
    ("preset", "retain", "forget", "epochs", "steps", "refreshes", "alpha"),
    [
        pytest.param(IMAGE, 48_500, 1_500, 95, 570, 19, 0.05, id="CIFAR 3 %"),
        pytest.param(IMAGE, 42_500, 7_500, 16, 480, 4, 0.25, id="CIFAR 15 %"),
        pytest.param(IMAGE, 35_000, 15_000, 6, 354, 2, 0.50, id="CIFAR 30 %"),
        pytest.param(TEXT, 42_108, 1_302, 14, 154, 3, 0.5, id="text 3 %"),
        pytest.param(TEXT, 36_899, 6_511, 2, 102, 1, 0.5, id="text 15 %"),
        pytest.param(TEXT, 30_387, 13_023, 1, 102, 1, 0.5, id="text 30 %"),
    ],
)
def test_budgets_are_those_of_the_published_table(
    preset: Preset,
    retain: int,
    forget: int,
    epochs: int,
    steps: int,
    refreshes: int,
    alpha: float,
) -> None:
    plan = schedule_of(forget, retain, preset=preset)

    assert (plan.epochs, plan.epochs * plan.steps_per_epoch) == (epochs, steps)
    assert len(range(0, plan.epochs, EVERY)) == refreshes
    assert plan.alpha == pytest.approx(alpha, rel=1e-12)


def test_presets_are_what_the_authors_set() -> None:
    assert Preset(alpha=None, sweeps=3, rate=1e-3, final_rate=0.1, batch_size=256) == IMAGE
    assert Preset(alpha=0.5, sweeps=0.5, rate=3e-4, final_rate=1, batch_size=128) == TEXT


@given(st.integers(1, 200), st.integers(1, 50), st.floats(0, 1))
def test_alpha_falls_linearly_and_never_to_nothing(epochs: int, steps: int, first: float) -> None:
    plan = Schedule(epochs=epochs, steps_per_epoch=steps, alpha=first)

    by_epoch = [plan.alpha_at(epoch, 3, decay_per_step=False) for epoch in range(epochs)]
    last = plan.alpha_at(epochs - 1, steps - 1, decay_per_step=True)

    assert by_epoch == pytest.approx([first - place * first / epochs for place in range(epochs)])
    assert by_epoch[-1] == pytest.approx(first / epochs)
    assert last == pytest.approx(first / (epochs * steps))


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_alpha_by_the_rule_of_thumb_leaves_something_for_what_is_kept(
    forget: int, retain: int
) -> None:
    plan = schedule_of(forget, retain, preset=IMAGE)

    assert plan.alpha == pytest.approx(min(5 / 3 * forget / (forget + retain), 0.95))
    assert plan.epochs >= 1


def test_what_is_given_goes_before_the_rules_and_a_cap_before_both() -> None:
    plan = schedule_of(16, 112, preset=IMAGE, alpha=1.0, epochs=9, most_epochs=4)

    assert (plan.alpha, plan.epochs) == (1.0, 4)


def unlearned(split: Split, recipe: Recipe, network: nn.Module | None = None, **knobs: Any) -> None:
    nabla_tau(network or trained(), split, recipe, seed=0, progress=silent, **knobs)


def test_alpha_can_fall_with_every_step_of_a_run() -> None:
    made = nabla_tau(
        *(trained(), make_split(), recipe),
        seed=0,
        progress=silent,
        alpha=0.8,
        epochs=2,
        batch_size=8,
        decay_per_step=True,
    )

    assert made.trace.columns["alpha"] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def validated_by(seen: str) -> Split:
    """A split of which one validation sample is of another part too."""
    split = make_split()
    return replace(split, validation=getattr(split, seen).take(torch.arange(1)))


none = torch.zeros(0, dtype=torch.int64)
without = {
    part: replace(make_split(), **{part: getattr(make_split(), part).take(none)})
    for part in ("forget", "retain", "validation")
}


@pytest.mark.parametrize(
    ("split", "knobs", "message"),
    [
        (without["forget"], {}, "the forget set is empty"),
        (without["retain"], {}, "the retain set is empty"),
        (without["validation"], {}, "without validation samples there is no τ; pass `targets`"),
        (without["validation"], {"class_matched": True}, "without validation samples"),
        (make_split(), {"preset": "sound"}, "no preset 'sound'; there are image, text"),
        (make_split(), {"targets": torch.ones(3)}, "targets have shape"),
        (
            make_split(),
            {"targets": torch.ones(16), "class_matched": True},
            "class_matched weighs τ, and targets stand in its place",
        ),
        (validated_by("forget"), {}, "1 of the validation samples are also"),
        (validated_by("retain"), {}, "1 of the validation samples are also"),
        (make_split(), {"alpha": 1.1}, "alpha is a share, 0 to 1, not 1.1"),
        (make_split(), {"alpha": -0.1}, "alpha is a share"),
        (make_split(), {"alpha": float("nan")}, "alpha is a share"),
        (make_split(), {"epochs": 0}, "epochs is at least 1, not 0"),
        (make_split(), {"most_epochs": 0}, "most_epochs is at least 1, not 0"),
        (make_split(), {"batch_size": 0}, "batch_size is at least 1, not 0"),
        (make_split(), {"refresh_every": 0}, "refresh_every is at least 1, not 0"),
        (make_split(), {"rate": -1.0}, "Invalid learning rate"),
    ],
)
def test_bad_input_is_refused(split: Split, knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unlearned(split, recipe, **knobs)


def test_without_validation_samples_targets_are_enough() -> None:
    unlearned(without["validation"], recipe, targets=torch.ones(16), epochs=1)


def test_a_network_whose_parameters_are_all_frozen_is_refused() -> None:
    frozen = recipe.build().requires_grad_(False)

    with pytest.raises(ValueError, match="every parameter of this network is frozen"):
        unlearned(make_split(), recipe, frozen)


def test_losses_that_are_not_per_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="one loss per sample"):
        unlearned(make_split(), spoilt(torch.mean))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda losses: losses * float("nan"), "the loss is not finite", id="NaN"),
        pytest.param(lambda losses: losses + float("inf"), "the loss is not finite", id="infinite"),
        # The root of nothing is nothing, and infinitely steep.
        pytest.param(lambda losses: losses + (0 * losses).sqrt(), "a weight is not", id="gradient"),
    ],
)
def test_what_is_not_finite_ends_the_run_and_leaves_the_network_alone(
    spoil: Callable[[Tensor], Tensor], words: str
) -> None:
    before = {name: value.clone() for name, value in trained().state_dict().items()}

    with pytest.raises(Diverged, match=words):
        unlearned(make_split(), spoilt(spoil), epochs=1)

    assert all(torch.equal(value, before[name]) for name, value in trained().state_dict().items())


def test_a_parameter_that_is_frozen_stays() -> None:
    made = nabla_tau(partly_frozen(), make_split(), recipe, seed=0, progress=silent, epochs=1)

    assert same_state(made.network.get_submodule("0"), partly_frozen().get_submodule("0"))
    assert not same_state(made.network, partly_frozen())


def partly_frozen() -> nn.Module:
    torch.manual_seed(0)
    network = recipe.build()
    network.get_submodule("0").requires_grad_(False)
    return network
