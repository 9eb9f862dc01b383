"""Numbers of HAMU's first steps, worked out by hand: what is logged, clipped and counted."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.data import Samples
from models.progress import silent
from models.recipe import Classifier
from models.training import evaluate
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.targets import Aim, goal_for, rank_matched
from models.unlearning.trust import Harm, after_step
from tests.models.blobs import distance, make_split, recipe, trained
from tests.models.spoilt import spoilt

PUBLISHED: dict[str, Any] = {
    "aim": "ascent",
    "metric": "plain",
    "share": 0.5,
    "rate": 0.1,
    "steps": 1,
}


def forgotten(of: Classifier = recipe, **settings: Any) -> Unlearned:
    return hamu(trained(), make_split(), of, seed=0, progress=silent, **settings)


def slopes(samples: Samples) -> list[Tensor]:
    """The gradient of the mean loss, one tensor per parameter."""
    loss = recipe.losses(trained(), samples.batch).mean()
    return list(torch.autograd.grad(loss, list(trained().parameters())))


def test_harm_is_a_moving_average_that_forgets_a_tenth_with_each_step() -> None:
    seen = [Harm()]
    for excess in (-1.0, 5.0, 5.0, -20.0, 30.0):
        seen.append(after_step(seen[-1], excess))

    assert [harm.average for harm in seen[1:]] == pytest.approx([-1, -0.4, 0.14, -1.874, 1.3134])
    assert [harm.bad for harm in seen[1:]] == [0, 0, 1, 0, 1]
    assert [harm.steps for harm in seen[1:]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("patience", [1, 4])
def test_harm_stops_after_as_many_steps_as_there_is_patience(patience: int) -> None:
    split = make_split()

    made = hamu(
        trained(),
        replace(split, retain=split.forget),
        recipe,
        seed=0,
        progress=silent,
        aim="mean",
        patience=patience,
    )

    assert (made.trace.stop, made.trace.steps) == (Stop.HARM, patience)


def test_kappa_and_both_thresholds_are_those_of_the_two_gradients() -> None:
    split = make_split()
    own, other = slopes(split.retain), slopes(split.forget)
    inner = sum(float((a * b).sum()) for a, b in zip(own, other, strict=True))
    products = sum(float(a.norm() * b.norm()) for a, b in zip(own, other, strict=True))

    row = forgotten(**PUBLISHED, max_norm=1e9).trace.columns

    assert row["kappa"] == pytest.approx([inner], rel=1e-4)
    assert row["capacity"] == pytest.approx([products], rel=1e-4)
    assert row["easy_threshold"] == pytest.approx([-0.5 * products], rel=1e-4)
    assert row["hard_threshold"] == pytest.approx([math.sqrt(0.75) * products], rel=1e-4)


@pytest.mark.parametrize(("settings", "limit"), [({"max_norm": 0.1}, 0.1), ({}, 1.0)])
def test_a_step_is_as_long_as_the_clipped_retain_gradient(
    settings: dict[str, float], limit: float
) -> None:
    steep = spoilt(lambda own: 1000 * own)

    made = forgotten(steep, **PUBLISHED, **settings)

    assert distance(made.network, trained()) == pytest.approx(0.1 * limit, rel=1e-3)


def test_a_step_further_away_than_it_promised_to_come_nearer_is_taken_back() -> None:
    split = make_split(forget=48)
    before = evaluate(trained(), split.forget, recipe.losses)
    goal = goal_for(before, rank_matched(trained(), split, recipe), aim=Aim.CONFIDENCE)

    made = hamu(trained(), split, recipe, seed=0, progress=silent, metric="fisher")

    columns = made.trace.columns
    rows = zip(*(columns[n] for n in ("realised_gain", "promised_gain", "undone")), strict=True)
    astray = [undone for gain, due, undone in rows if gain < -max(due, goal.slack)]
    assert astray
    assert all(astray)
