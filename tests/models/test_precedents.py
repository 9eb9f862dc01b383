import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.precedents import Precedent, expected_escalation, likeness, unlearn_share

SHARES = st.floats(1e-6, 1.0)
PRECEDENTS = st.lists(st.builds(Precedent, SHARES, st.booleans(), st.none() | st.floats(0, 10)))


def alike(count: int, *, escalated: bool) -> list[Precedent]:
    return [Precedent(0.01, escalated)] * count


@given(share=SHARES, other=SHARES)
def test_forget_sets_of_one_size_are_alike_and_others_less(share: float, other: float) -> None:
    assert likeness(share, share) == 1.0
    assert 0 < likeness(share, other) == likeness(other, share) <= 1
    assert likeness(share, 2 * share) == pytest.approx(0.5)


def test_escalations_start_at_one_half_and_follow_the_history() -> None:
    assert expected_escalation([], 0.01) == 0.5
    assert expected_escalation(alike(98, escalated=False), 0.01) == pytest.approx(0.01)
    both = [*alike(1, escalated=True), *alike(2, escalated=False)]
    assert expected_escalation(both, 0.01) == pytest.approx(2 / 5)


def test_a_precedent_of_another_size_says_less() -> None:
    (large,) = alike(1, escalated=True)

    assert expected_escalation([large], 0.1) == pytest.approx((0.1 + 1) / (0.1 + 2))


@given(precedents=PRECEDENTS, share=SHARES)
def test_what_is_expected_lies_within_what_was_seen(
    precedents: list[Precedent], share: float
) -> None:
    took = [one.unlearn for one in precedents if one.unlearn is not None]
    expected = unlearn_share(precedents, share)

    assert 0 < expected_escalation(precedents, share) < 1
    assert (expected is None) == (not took)
    if expected is not None:
        assert min(took) - 1e-9 <= expected <= max(took) + 1e-9


@given(precedents=PRECEDENTS, share=SHARES, of=SHARES)
def test_an_escalation_more_makes_the_next_more_likely(
    precedents: list[Precedent], share: float, of: float
) -> None:
    before = expected_escalation(precedents, share)

    assert expected_escalation([*precedents, Precedent(of, escalated=True)], share) > before
    assert expected_escalation([*precedents, Precedent(of, escalated=False)], share) < before


def test_what_unlearning_takes_is_told_by_forget_sets_of_the_size() -> None:
    known = [
        Precedent(0.01, escalated=False, unlearn=0.1),
        Precedent(0.04, escalated=False, unlearn=0.6),
        Precedent(0.01, escalated=True),
    ]

    assert unlearn_share(known, 0.01) == pytest.approx((0.1 + 0.25 * 0.6) / 1.25)
