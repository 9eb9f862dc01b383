"""How long a phase will still take, told from how fast it goes."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from workers.heart import Heart
from workers.station import Station

Clock = Callable[[float], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return lambda moment: now.__setitem__(0, moment)


@pytest.fixture
def beating(station: Station) -> Heart:
    """One that was never started."""
    return Heart(station, uuid4(), 1, lambda: None)


def test_the_rest_is_told_from_the_pace_since_the_phase_told_first(
    beating: Heart, at: Clock
) -> None:
    beating.begin("train")
    at(100.0)  # spent on starting
    beating.progress(0.7, "epoch 15 of 20")  # it had been killed in the fourteenth
    first = beating.told()["eta_seconds"]
    at(130.0)
    beating.progress(0.75, "epoch 16 of 20")

    assert first is None
    assert beating.told()["eta_seconds"] == 150.0
    assert (beating.told()["share"], beating.told()["phase"]) == (0.75, "train")


def test_a_new_phase_knows_nothing_of_the_one_before(beating: Heart, at: Clock) -> None:
    beating.begin("assess")
    beating.progress(0.0, "begins")
    at(10.0)
    beating.progress(0.5, "half")
    assert beating.told()["eta_seconds"] == 10.0

    beating.begin("audit")

    assert beating.told() == {
        "phase": "audit",
        "share": 0.0,
        "words": "starting",
        "eta_seconds": None,
    }
