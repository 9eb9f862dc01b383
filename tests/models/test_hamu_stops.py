"""Why HAMU ends, where single samples owe and most do not, and where the forget gain is bounded."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.data import Split
from models.progress import silent
from models.training import evaluate
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.hamu import hamu
from tests.models.blobs import make_split, recipe, trained


def forgotten(split: Split, **settings: Any) -> Unlearned:
    return hamu(trained(), split, recipe, seed=0, progress=silent, **settings)


def owing(split: Split, *places: int, due: float = 6.0) -> Tensor:
    """Targets at which only the samples at these places owe anything."""
    targets = evaluate(trained(), split.forget, recipe.losses).clone()
    targets[list(places)] = due
    return targets


def left(split: Split, made: Unlearned, place: int) -> float:
    return float(evaluate(made.network, split.forget, recipe.losses)[place])


def test_a_mean_that_others_raised_is_not_called_forgotten() -> None:
    split = make_split(forget=100)
    easiest = int(evaluate(trained(), split.forget, recipe.losses).argmin())

    made = forgotten(split, targets=owing(split, easiest))

    assert left(split, made, easiest) < 3  # of 6
    assert made.trace.stop is Stop.LEVEL
    assert "by samples that owed nothing" in made.trace.notes[-1]


def test_a_batch_without_anybody_who_owes_does_not_end_the_run() -> None:
    split = make_split(forget=80)
    before = evaluate(trained(), split.forget, recipe.losses)

    made = forgotten(split, targets=owing(split, 0, 1, 2, 3), forget_batch=16)

    assert made.trace.stop is not Stop.ZERO_GRADIENT
    assert made.trace.steps > 100
    risen = evaluate(made.network, split.forget, recipe.losses) - before
    assert risen[:4].mean() > 0.2


def test_in_the_utility_form_a_forget_loss_that_falls_is_harm() -> None:
    split = make_split(forget=32)
    same = Split(split.forget, split.forget, split.validation)

    made = forgotten(same, form="utility", share=0.5, aim="ascent", trust=False)

    assert made.trace.stop is Stop.HARM
    before, after = (
        float(evaluate(network, split.forget, recipe.losses).mean())
        for network in (trained(), made.network)
    )
    assert after == pytest.approx(before, rel=0.5)
    assert made.trace.steps < 20


@pytest.mark.parametrize("name", ["batch_size", "forget_batch"])
def test_batches_of_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is at least 1"):
        forgotten(make_split(), **{name: 0})


def test_nothing_owed_is_a_goal_that_is_reached() -> None:
    split = make_split()

    made = forgotten(split, targets=torch.zeros(len(split.forget)))

    assert made.trace.stop is Stop.FORGOTTEN
