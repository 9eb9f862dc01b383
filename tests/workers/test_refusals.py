"""What a child says of a job that cannot succeed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from models import registry
from models.data import Holdout, Samples
from tests.workers import tiny
from workers import nursery
from workers.child_process import Child, ChildFailed
from workers.phases import Bench
from workers.refusals import refusal


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests know the tiny recipe; its pool is tiny-000 to tiny-399."""
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def opening(
    folder: Path, retain: Iterable[str], forget: Iterable[str] | None = None, **differences: Any
) -> dict[str, Any]:
    """The command that lays these samples before a child."""
    command: dict[str, Any] = {"recipe": "tiny", "seed": 0, "forget": None, "parent": None}
    for name, ids in (("retain", retain), ("forget", forget)):
        if ids is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(list(ids)))
            command[name] = str(path)
    return command | differences


def refused(phase: str, command: dict[str, Any]) -> dict[str, Any]:
    """What is told of a command that models/ refuses."""
    with pytest.raises(ValueError, match=r".+") as error:
        getattr(Bench(lambda share, words: None), phase)(**command)
    return refusal(error.value, phase, command)


def test_a_child_that_is_given_unknown_samples_counts_them_and_names_the_recipe(
    tmp_path: Path,
) -> None:
    with Child(tmp_path, nursery.own()) as child, pytest.raises(ChildFailed) as failure:
        child.ask("open", print, **opening(tmp_path, ["tiny-000", "ada-0", "ada-1"]))

    assert failure.value.error == {
        "code": "unknown_to_recipe",
        "detail": "the recipe 'tiny' does not know 2 of the job's 3 samples; "
        "the ids in a dataset must be those of the recipe's pool",
        "final": True,
    }


def test_samples_to_forget_must_be_known_as_well(tmp_path: Path) -> None:
    command = opening(tmp_path, ["tiny-000"], forget=["tiny-001", "ada-0"], parent="never read")

    told = refused("open", command)

    assert told["code"] == "unknown_to_recipe"
    assert "1 of the job's 3 samples" in told["detail"]


def test_a_recipe_that_is_not_here_may_be_on_the_worker_that_tries_next(tmp_path: Path) -> None:
    told = refused("open", opening(tmp_path, ["ada-0"], recipe="blobs"))

    assert told.keys() == {"code", "detail"}
    assert told["code"] == "recipe_missing"
    assert told["detail"].startswith("on this worker there is no recipe 'blobs'")


def test_data_that_cannot_be_read_are_told_in_the_words_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> Samples:
        raise ValueError("the file ends early")

    monkeypatch.setattr(type(registry.find("tiny")), "pool", lambda self: unreadable())

    told = refused("open", opening(tmp_path, ["ada-0"]))

    assert told == {"code": "impossible", "detail": "the file ends early", "final": True}


def test_a_holdout_that_shares_ids_with_the_pool_is_refused_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Holdout(tiny.holdout().validation, tiny.read())
    monkeypatch.setattr(type(registry.find("tiny")), "holdout", lambda self: both)

    told = refused("open", opening(tmp_path, ["tiny-000"]))

    assert (told["code"], told["final"]) == ("impossible", True)
    assert told["detail"] == "the test set shares samples with: pool, validation"


def test_what_fails_later_is_told_in_its_own_words(tmp_path: Path) -> None:
    error = ValueError("the network has no parameters")

    told = refusal(error, "train", {"out": str(tmp_path / "weights")})

    assert told == {"code": "impossible", "detail": str(error), "final": True}


def test_the_pool_of_the_tiny_recipe_is_as_these_tests_say() -> None:
    ids = tiny.pool().ids

    assert (ids[0], ids[-1], len(ids)) == ("tiny-000", "tiny-399", 400)
