import numpy as np
import pytest

from models.auditing.attacks import mid_ranks
from models.auditing.class_attacks import certainty, margin, tree
from models.auditing.intervals import Floats


def auc(forgotten: Floats, unseen: Floats) -> float:
    ranks = mid_ranks(np.concatenate([forgotten, unseen]))[: len(forgotten)]
    return float((ranks.mean() - (len(forgotten) + 1) / 2) / len(unseen))


def test_an_even_output_is_the_least_certain_and_one_class_alone_the_most() -> None:
    even, sure = certainty(np.array([[0.0, 0.0, 0.0, 0.0], [900.0, 0.0, 0.0, 0.0]]))

    assert even == pytest.approx(-np.log(4))
    assert sure == 0.0


def test_the_margin_is_to_the_highest_other_class() -> None:
    found = margin(np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), np.array([0, 1]))

    assert found.tolist() == [1.0, -2.0]


def test_a_tree_finds_a_band_that_no_threshold_finds() -> None:
    chance = np.random.default_rng(0)
    even = chance.normal(0, 0.2, (200, 1))
    wide = chance.normal(0, 2, (400, 1))

    forgotten, unseen = tree(even, wide, seed=0)

    assert 0.4 < auc(even[:, 0], wide[:, 0]) < 0.6
    assert auc(forgotten, unseen) > 0.75


@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_a_tree_finds_either_direction(shift: float) -> None:
    chance = np.random.default_rng(0)

    forgotten, unseen = tree(
        chance.normal(shift, 1, (150, 3)), chance.normal(0, 1, (300, 3)), seed=0
    )

    assert auc(forgotten, unseen) > 0.75


def test_a_tree_that_is_judged_by_what_it_never_saw_finds_nothing_where_nothing_is() -> None:
    chance = np.random.default_rng(0)

    found = [
        auc(*tree(chance.normal(size=(60, 3)), chance.normal(size=(200, 3)), seed=trial))
        for trial in range(40)
    ]

    assert np.mean(found) == pytest.approx(0.5, abs=0.03)
