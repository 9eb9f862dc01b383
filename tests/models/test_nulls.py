from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from models.auditing.attacks import matched
from models.auditing.evidence import Attack
from models.auditing.measuring import found
from models.auditing.nulls import Chance, chance, found_by_chance
from models.auditing.signals import Said, Signals

PEOPLE, EACH = 60, 8
OWNERS = [f"person-{place // EACH}" for place in range(PEOPLE * EACH)]


def said(losses: NDArray[np.float64], strata: int = 1) -> Signals:
    """Of a validation set whose strata take turns."""
    return Signals(losses, losses * np.nan, np.arange(len(losses)) % strata)


def networks(draw: np.random.Generator, count: int, *, together: bool) -> list[Signals]:
    """Each errs anew on every sample, or on every person."""
    each = 1 if together else EACH
    draws = draw.exponential(size=(count, PEOPLE, each))
    return [said(np.repeat(one, EACH // each, axis=1).ravel()) for one in draws]


def by_chance(found: list[Signals], owners: list[str], forgotten: list[str]) -> Chance:
    """What the loss attack finds on these people where nothing leaks."""
    return chance(found_by_chance(found, owners)[Attack.LOSS], forgotten, certain=0.99)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_person_is_attacked_as_a_forget_set_would_be(count: int) -> None:
    draw = np.random.default_rng(4)
    # Few values, so that many are tied; three strata; the last person is alone in a fourth.
    losses = draw.integers(1, 9, size=(count, 60)) / 4
    strata = np.append(np.arange(58) % 3, [3, 3])
    owners = [f"person-{place // 4}" for place in range(60)]
    every = [Signals(one, one, strata) for one in losses]

    quick = found_by_chance(every, owners)

    for attack in quick:
        slow = [
            found(attack, one, others, confidence=0.9).interval.estimate
            for one, others in one_by_one(every, owners)
        ]
        assert sorted(quick[attack]) == pytest.approx(sorted(slow))


def one_by_one(every: list[Signals], owners: list[str]) -> Iterator[tuple[Said, list[Said]]]:
    """Every network on every person, and what the others say of the same."""
    for person in sorted(set(owners)):
        mine = np.array(owners) == person
        if matched(every[0].strata[mine], every[0].strata[~mine]).any():
            told = [{"forget": one.rows(mine), "validation": one.rows(~mine)} for one in every]
            for place, one in enumerate(told):
                yield one, told[:place] + told[place + 1 :]


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

    by_attack = found_by_chance(one * 3, OWNERS)

    assert len(by_attack[Attack.LOSS]) == len(by_attack[Attack.SPREAD]) == 3 * PEOPLE
    assert by_attack[Attack.LOSS] == pytest.approx(0)
    assert by_attack[Attack.SPREAD] == pytest.approx(0)


def test_a_person_whom_nobody_can_be_compared_with_is_left_out() -> None:
    losses = np.arange(6.0)
    alone = Signals(losses, losses, np.array([0, 0, 0, 0, 1, 1]))

    assert len(found_by_chance([alone], ["a", "a", "b", "b", "c", "c"])[Attack.LOSS]) == 2


def test_few_odd_people_push_the_bound_beyond_what_a_normal_law_says() -> None:
    leaks = np.array([0.01] * 95 + [0.5] * 5)

    one, many = (chance(leaks, OWNERS[: count * EACH], certain=0.99) for count in (1, 60))

    assert one.bound == 0.5
    assert one.bound > 4 * one.noise
    assert many.bound < 2 * many.noise + 0.05


def test_where_nobody_was_held_out_nothing_is_allowed_for() -> None:
    assert chance(np.array([]), OWNERS[:EACH], certain=0.99) == Chance(0.0, 0.0)
