"""What the comparison of methods makes of its rows."""

from typing import Any

import pytest

from benchmarks.unlearning import fastest
from benchmarks.unlearning.measured import tow
from benchmarks.unlearning.regret import Job, decided, line, orders
from benchmarks.unlearning.tables import costs, steps
from models.decision_terms import Route
from tests.models.test_decision import make_hardness


def trained_for(share: float, test: float) -> list[dict[str, Any]]:
    """Three networks of so many epochs."""
    row = {"set": fastest.FASTEST, "share": share, "test": test, "seconds": 10 * share}
    return [{**row, "seed": seed} for seed in fastest.SEEDS]


@pytest.mark.parametrize(
    ("tests", "share"),
    [((0.70, 0.70, 0.60), 0.5), ((0.70, 0.60, 0.70), 0.1), ((0.70, 0.60, 0.696), 0.1)],
)
def test_the_fastest_is_the_cheapest_training_that_serves_as_well(
    tests: tuple[float, ...], share: float
) -> None:
    rows = [row for each in zip((1.0, 0.5, 0.1), tests, strict=True) for row in trained_for(*each)]

    assert fastest.share_of(rows) == pytest.approx(share)
    assert fastest.share_of(rows[::-1]) == pytest.approx(share)


def job(*, passes: bool) -> Job:
    return Job(make_hardness(), 0.02, 0.05, 1.0, 0.15, passes, nothing_was_owed=False)


def test_the_regret_does_not_depend_on_the_order_of_the_rows() -> None:
    jobs = [job(passes=place % 3 == 0) for place in range(12)]
    late, soon = sorted(jobs, key=lambda one: one.unlearned_well), jobs

    assert [len(order) for order in orders(jobs)] == [12] * 200
    assert set(decided(late)) == {Route.HAMU, Route.RETRAIN}  # it learns from what failed
    figures = [line("x", "the decision", each).split()[3:5] for each in (soon, late)]
    first, second = ([float(figure) for figure in told] for told in figures)
    assert first == pytest.approx(second, abs=0.03)


def test_a_retrain_is_at_no_distance_from_itself() -> None:
    row = {"forget": 0.7, "retain": 0.9, "test": 0.8, "called_unseen": 0.3}

    assert tow(row, [row]) == 1.0
    assert tow(row, [row], forgotten="called_unseen") == 1.0
    assert tow({**row, "test": 0.7}, [row]) == pytest.approx(0.9)


def taken(way: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"set": "one person", "way": way, "seconds": seconds, **more}


def cells(table: str) -> dict[str, str]:
    """Of a table for one kind of forget set: by way, what stands there."""
    return {line[:25].strip(): line[25:].strip() for line in table.splitlines()}


def test_what_a_way_takes_is_told_of_a_retrain_and_only_where_it_was_noted() -> None:
    retrains = [taken("retrain", 4.0, steps=100), taken("retrain", 6.0, steps=100)]
    ours, failed = taken("rum", 1.0, steps=3), taken("scrub", 9.0, failed="diverged")
    rows = {"digits": [*retrains, ours, taken("finetune", 1.0), failed]}

    told = cells(steps(rows))
    assert (told["rum"], told["finetune"], told["scrub"]) == ("0.030", "-", "-")
    told = cells(costs(rows))
    assert (told["rum"], told["finetune"], told["scrub"]) == ("0.200", "0.200", "-")
