import numpy as np
import pytest

from models.auditing import deep, klom, ulira
from models.progress import silent
from models.unlearning.contract import Stop, Trace, Unlearned
from tests.models import blobs


def test_klom_of_a_network_kind_with_itself_is_nought_and_grows_with_the_shift() -> None:
    chance = np.random.default_rng(0)
    one, other = chance.normal(size=(100, 30)), chance.normal(size=(100, 30))

    same = klom.klom(one, one).mean()
    null, shifted = klom.klom(one, other).mean(), klom.klom(one + 1, other).mean()

    assert same == 0.0
    assert null == pytest.approx(0.34, abs=0.1)  # as the notes measured it
    assert shifted == pytest.approx(1.14, abs=0.2)


def test_klom_goes_from_the_unlearned_to_the_retrained() -> None:
    wide, narrow = np.linspace(-10, 10, 200)[:, None], np.linspace(-1, 1, 200)[:, None]

    from_wide, from_narrow = klom.klom(wide, narrow)[0], klom.klom(narrow, wide)[0]

    assert from_wide == pytest.approx(0.9 * np.log(0.05 / 1e-5) - 0.1 * np.log(10), rel=0.05)
    assert from_narrow == pytest.approx(np.log(10), rel=0.05)


def test_margins_that_are_all_alike_are_no_distance() -> None:
    assert klom.klom(np.ones((5, 2)), np.ones((5, 2))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("networks", [4, 8])
def test_u_lira_finds_nothing_between_networks_of_one_kind(networks: int) -> None:
    chance = np.random.default_rng(1)

    found = ulira.aucs(chance.normal(size=(networks, 2000)), chance.normal(size=(networks, 2000)))

    assert found.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("shift", [-3.0, 3.0])
def test_u_lira_finds_what_was_left_and_what_was_pushed_too_far(shift: float) -> None:
    chance = np.random.default_rng(1)

    found = ulira.aucs(chance.normal(shift, 1, (8, 200)), chance.normal(size=(8, 200)))

    assert found.mean() > 0.9


def test_numbers_stand_beside_those_of_retrains_against_retrains() -> None:
    chance = np.random.default_rng(2)
    retrained, again = chance.normal(size=(8, 400)), chance.normal(size=(8, 400))

    left = chance.normal(3, 1, (8, 400))

    assert ulira.summary(again, retrained, again).above_null == 0.0
    assert klom.summary(again, retrained, again).above_null == 0.0
    assert ulira.summary(left, retrained, again).above_null > 0.3
    assert klom.summary(left, retrained, again).above_null > 0.2


def untouched(network, split, recipe, /, *, seed, progress):  # type: ignore[no-untyped-def]  # a fake
    """A method that does nothing."""
    return Unlearned(network, Trace(Stop.BUDGET, 0, 0))


def test_rounds_catch_a_method_that_does_nothing() -> None:
    split = deep.split_of(blobs.recipe, share=0.2, seed=0)
    rounds = [
        deep.one_round(blobs.recipe, split, untouched, number=number, seed=0, progress=silent)
        for number in range(deep.FEWEST)
    ]

    forget, _, validation = deep.summary(rounds)

    assert (forget.samples, forget.rounds) == ("forget", deep.FEWEST)
    assert forget.ulira.above_null > 0.2
    assert abs(validation.ulira.above_null) < 0.15


def test_a_round_is_the_same_whenever_it_is_done() -> None:
    split = deep.split_of(blobs.recipe, share=0.2, seed=0)

    one, other = (
        deep.one_round(blobs.recipe, split, untouched, number=2, seed=0, progress=silent)
        for _ in range(2)
    )

    assert one == other


def test_too_few_rounds_say_nothing() -> None:
    with pytest.raises(ValueError, match="4 at least"):
        deep.summary([])
