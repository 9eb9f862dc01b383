"""Public holidays that an installation names move the dates that its answers carry."""

from datetime import date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.law import Law
from tests.api.conftest import Call, Clock
from tests.factories import PEPPER, make_version

PATH = "/v1/deletion-requests"
HOLIDAYS = '{"gdpr": ["2026-04-06", "2026-05-25"], "ccpa": ["2026-11-26", "2026-11-27"]}'
EASTER_MONDAY = date(2026, 4, 6)
LONGER = {"reason": "complexity", "notice": "letter 7"}


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As it is read from the environment."""
    monkeypatch.setenv("LACUNA_HOLIDAYS", HOLIDAYS)
    return Settings(data_dir=tmp_path, pepper=PEPPER, timezone="Europe/Berlin", rate_limit=0)


@pytest.fixture(autouse=True)
def live(session: Session) -> None:
    make_version(session)


@pytest.mark.parametrize(
    ("law", "received", "name", "day"),
    [
        ("gdpr", "2026-03-06", "due_at", "2026-04-07T23:59:59+02:00"),  # Easter Monday is the day
        ("ccpa", "2026-11-16", "confirm_by", "2026-12-02T23:59:59+01:00"),  # Thanksgiving between
        ("ccpa", "2026-10-12", "due_at", "2026-11-26T23:59:59+01:00"),  # calendar days
        ("gdpr", "2026-10-26", "due_at", "2026-11-26T23:59:59+01:00"),  # a holiday elsewhere only
    ],
)
def test_a_holiday_moves_the_dates_of_its_law_alone(
    post: Call, clock: Clock, law: str, received: str, name: str, day: str
) -> None:
    clock.now = datetime.fromisoformat(f"{received}T12:00:00+01:00")

    made = post(PATH, subject="ada", law=law)

    assert made[name] == day


def test_an_extension_ends_on_a_working_day_too(post: Call, clock: Clock) -> None:
    clock.now = datetime.fromisoformat("2026-02-25T12:00:00+01:00")  # Whit Monday is 25 May
    made = post(PATH, subject="ada")

    longer = post(f"{PATH}/{made['id']}:extend", **LONGER)

    due = datetime.fromisoformat(longer["due_at"])
    assert due == datetime.fromisoformat("2026-05-26T23:59:59+02:00")


def test_requests_in_bulk_have_the_same_dates(http: TestClient, clock: Clock, get: Call) -> None:
    clock.now = datetime.fromisoformat("2026-03-06T12:00:00+01:00")
    lines = "subject,law\nada,gdpr\n"

    done = http.post(f"{PATH}:bulk", content=lines, headers={"Content-Type": "text/csv"})

    assert done.status_code == 202
    (item,) = get(PATH)["items"]
    due = datetime.fromisoformat(item["due_at"])
    assert due == datetime.fromisoformat("2026-04-07T23:59:59+02:00")


def test_a_law_or_a_day_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ('{"lgpd": ["2026-12-25"]}', '{"gdpr": ["25 December"]}'):
        monkeypatch.setenv("LACUNA_HOLIDAYS", wrong)
        with pytest.raises(ValidationError, match="holidays"):
            Settings()


def test_holidays_are_read_by_law(configured: Settings) -> None:
    assert configured.holidays[Law.GDPR] == {EASTER_MONDAY, date(2026, 5, 25)}


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_HOLIDAYS", "")

    assert Settings().holidays == {}
