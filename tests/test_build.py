from collections.abc import Iterator
from importlib.metadata import version

import pytest

from app import build


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """As a process that has just begun; the next test, too."""
    build.software.cache_clear()
    yield
    build.software.cache_clear()


def test_the_build_is_told_by_version_commit_and_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_COMMIT", "b9b2d74")
    monkeypatch.setenv("LACUNA_IMAGE", "lacuna-api@sha256:12")

    assert build.software() == {
        "lacuna": version("lacuna"),
        "commit": "b9b2d74",
        "image": "lacuna-api@sha256:12",
    }


def test_what_the_environment_does_not_say_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_COMMIT", "")
    monkeypatch.delenv("LACUNA_IMAGE", raising=False)

    assert build.software() == {"lacuna": version("lacuna")}
