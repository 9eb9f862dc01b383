from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.numbers import (
    clock,
    day,
    duration,
    instant,
    moment,
    number,
    percent,
    score,
    setting,
    signed,
)

THEN = datetime(2026, 3, 2, 7, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (0, "0"),
        (0.0, "0"),
        (20, "20"),
        (5920, "5\u202f920"),
        (1234.5, "1\u202f234"),
        (1.2253, "1.23"),
        (0.05, "0.05"),
        (-0.8362, "−0.836"),
        (0.0000076465, "7.65\u00a0·\u00a010⁻⁶"),
        (-0.00016, "−1.60\u00a0·\u00a010⁻⁴"),
        (1e12, "1\u202f000\u202f000\u202f000\u202f000"),
    ],
)
def test_a_number_has_three_digits_that_count(value: float | None, written: str) -> None:
    assert number(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_every_number_can_be_written_and_keeps_its_sign(value: float) -> None:
    assert number(value).startswith("−") is (value < 0)


@pytest.mark.parametrize(
    ("share", "written"), [(0, "0%"), (0.0952, "9.5%"), (0.5, "50%"), (1.8, "180%")]
)
def test_a_share_is_written_in_per_cent(share: float, written: str) -> None:
    assert percent(share) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "–"),
        (0.31, "0.31 s"),
        (119.4, "119 s"),
        (200, "3 min 20 s"),
        (7380, "2 h 3 min"),
    ],
)
def test_a_duration_is_told_as_a_person_would(seconds: float | None, written: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == written


def test_moments_are_told_in_utc() -> None:
    assert (moment(THEN), day(THEN), clock(THEN)) == (
        "2 March 2026, 07:05:09 UTC",
        "2 March 2026",
        "07:05:09 UTC",
    )
    assert moment(None) == "–"


def test_a_difference_always_has_its_sign() -> None:
    assert (signed(0.0831), signed(-0.0005), signed(0)) == ("+0.083", "−0.001", "+0.000")


def test_what_rounds_to_zero_has_no_minus_sign() -> None:
    assert (signed(-0.0004), score(-0.0004), number(-0.0)) == ("+0.000", "0.000", "0")


def test_a_moment_that_an_entry_states_is_told_in_utc() -> None:
    assert instant("2026-03-02T08:05:09+01:00") == moment(THEN)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (0.0001234567, "0.0001234567"),
        (604800, "604800"),
        (-0.5, "−0.5"),
        ("adam", "adam"),
        ([3, None], "3, –"),
        ([], "–"),
    ],
)
def test_a_setting_is_written_in_full(value: object, written: str) -> None:
    assert setting(value) == written
