import numpy as np
import pytest

from models.auditing.bands import Band, band, drawn_anew, levels
from models.auditing.intervals import Floats
from models.auditing.signals import Said, Signals

PEOPLE = tuple(f"person-{number // 2}" for number in range(80))


def said(losses: Floats) -> Said:
    nothing = np.zeros(len(losses))
    return {"forget": Signals(losses, nothing, nothing.astype(np.int64))}


def made(*networks: Floats, owners: tuple[str, ...] = PEOPLE) -> Band:
    found = band([said(losses) for losses in networks], owners)
    assert found is not None
    return found


def test_between_several_networks_it_reaches_from_the_least_to_the_greatest() -> None:
    one, other = np.linspace(0, 2, 80), np.linspace(1, 1.5, 80)

    found = made(one, other)

    assert found.networks == 2
    assert found.least_losses == pytest.approx(np.minimum(levels(one), levels(other)), rel=1e-5)
    assert found.greatest_losses == pytest.approx(np.maximum(levels(one), levels(other)), rel=1e-5)
    assert found.least_confidences[0] == pytest.approx(np.exp(-2), rel=1e-5)


def test_around_one_network_it_holds_its_own_curve_and_narrows_with_people() -> None:
    losses = np.random.default_rng(0).exponential(1.0, 80)
    many = np.tile(losses, 50)

    few = made(losses)
    more = made(many, owners=tuple(map(str, range(len(many)))))

    middle = levels(losses)[20]
    assert few.least_losses[20] < middle < few.greatest_losses[20]
    assert (
        more.greatest_losses[20] - more.least_losses[20]
        < (few.greatest_losses[20] - few.least_losses[20]) / 3
    )


def width(found: Band) -> float:
    return float(np.subtract(found.greatest_losses, found.least_losses).mean())


def test_samples_of_a_person_are_drawn_together_and_those_of_one_person_by_themselves() -> None:
    losses = np.repeat(np.random.default_rng(0).normal(size=40), 2)  # of a person both alike

    together, alone = (
        made(losses),
        made(losses, owners=tuple(f"{place:02d}" for place in range(80))),
    )

    assert width(together) > 1.2 * width(alone)
    assert made(losses, owners=("ada",) * 80) == alone


def test_each_draw_is_of_samples_that_are_there_in_ascending_order() -> None:
    losses = np.random.default_rng(1).exponential(size=80)

    drawn = drawn_anew(losses, PEOPLE)

    assert np.isin(drawn, losses).all()
    assert (np.diff(drawn, axis=1) >= 0).all()
    assert np.median(drawn, axis=0)[20] == pytest.approx(levels(losses)[20], abs=0.15)


def test_where_nobody_told_there_is_none() -> None:
    assert band([], PEOPLE) is None
