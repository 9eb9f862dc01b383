"""The stack's clock is the machine's, unless a fault test sets it wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import clock


def off_by() -> timedelta:
    return clock.now() - datetime.now(UTC)


def test_without_an_order_it_is_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset = off_by()
    monkeypatch.setenv("LACUNA_CLOCK_OFF_BY", str(tmp_path / "off_by"))

    assert abs(unset) < timedelta(minutes=1)
    assert abs(off_by()) < timedelta(minutes=1)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_it_is_off_by_what_a_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    (tmp_path / "off_by").write_text(str(seconds))
    monkeypatch.setenv("LACUNA_CLOCK_OFF_BY", str(tmp_path / "off_by"))

    assert abs(off_by() - timedelta(seconds=seconds)) < timedelta(minutes=1)
