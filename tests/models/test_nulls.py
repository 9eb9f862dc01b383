import numpy as np
import pytest
from numpy.typing import NDArray

from models.auditing.evidence import Attack
from models.auditing.measuring import found_by_chance
from models.auditing.nulls import Chance, chance, nobodies
from models.auditing.signals import Said, Signals

PEOPLE, EACH = 60, 8
OWNERS = [f"person-{place // EACH}" for place in range(PEOPLE * EACH)]


def said(losses: NDArray[np.float64]) -> Said:
    """Of a validation set of one stratum."""
    return {"validation": Signals(losses, losses * np.nan, np.zeros(len(losses), dtype=np.int64))}


def by_chance(found: list[Said], owners: list[str], forgotten: list[str]) -> Chance:
    """What the loss attack finds on these people where nothing leaks."""
    strangers = found_by_chance(nobodies(found, owners))
    return chance(strangers[Attack.LOSS], forgotten, certain=0.99)


def networks(draw: np.random.Generator, count: int, *, together: bool) -> list[Said]:
    """Each errs anew on every sample, or on every person."""
    each = 1 if together else EACH
    draws = draw.exponential(size=(count, PEOPLE, each))
    return [said(np.repeat(one, EACH // each, axis=1).ravel()) for one in draws]


@pytest.mark.parametrize("forgotten", [1, 10])
def test_independent_samples_vary_as_mann_and_whitney_say(forgotten: int) -> None:
    one = networks(np.random.default_rng(0), 1, together=False)
    alone = [str(place) for place in range(PEOPLE * EACH)]

    expected = by_chance(one, alone, alone[:forgotten])

    assert expected.noise == pytest.approx((1 / 12 / forgotten) ** 0.5, rel=0.2)


def test_people_whose_samples_stand_together_vary_as_if_each_had_one() -> None:
    pair = networks(np.random.default_rng(1), 2, together=True)

    expected = by_chance(pair, OWNERS, OWNERS[: 4 * EACH])

    # The difference of two independent uniform places, averaged over four people.
    assert expected.noise == pytest.approx((2 / 12 / 4) ** 0.5, rel=0.2)


def test_samples_that_err_alone_vary_less_the_more_a_person_has() -> None:
    pair = networks(np.random.default_rng(2), 2, together=False)

    expected = by_chance(pair, OWNERS, OWNERS[: 4 * EACH])

    assert expected.noise == pytest.approx((2 / 12 / 4 / EACH) ** 0.5, rel=0.25)


def test_networks_that_agree_find_nothing_in_each_other() -> None:
    one = networks(np.random.default_rng(3), 1, together=True)

    found = found_by_chance(nobodies(one * 3, OWNERS))

    assert found[Attack.LOSS] == found[Attack.SPREAD] == [0.0] * (3 * PEOPLE)


def test_a_person_whom_nobody_can_be_compared_with_is_left_out() -> None:
    losses = np.arange(6.0)
    alone = {"validation": Signals(losses, losses, np.array([0, 0, 0, 0, 1, 1]))}

    assert len(nobodies([alone], ["a", "a", "b", "b", "c", "c"])) == 2


def test_few_odd_people_push_the_bound_beyond_what_a_normal_law_says() -> None:
    found = [0.01] * 95 + [0.5] * 5

    one, many = (chance(found, OWNERS[: count * EACH], certain=0.99) for count in (1, 60))

    assert one.bound == 0.5
    assert one.bound > 4 * one.noise
    assert many.bound < 2 * many.noise + 0.05


def test_where_nobody_was_held_out_nothing_is_allowed_for() -> None:
    assert chance([], OWNERS[:EACH], certain=0.99) == Chance(0.0, 0.0)
