from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
import torch

from models.data import Samples
from models.recipe import Recipe
from models.recipe_check import Finding, check
from models.recipe_data_check import DATA, DATA_ADVICE
from tests.models.tiny_recipe import Tiny, complaints, holdout, make_samples, pool, renamed


def test_a_sound_recipe_keeps_every_promise() -> None:
    findings = check(Tiny())

    assert len(findings) == 22
    assert all(finding == Finding(finding.what, True, "", finding.advice) for finding in findings)


def test_a_pool_that_cannot_be_read_ends_the_check() -> None:
    def absent() -> Samples:
        raise FileNotFoundError("no such folder")

    assert check(Tiny(read_pool=absent)) == [
        Finding(
            "the pool and the holdout can be read",
            ok=False,
            detail="it raised FileNotFoundError: no such folder",
        )
    ]


def test_an_empty_pool_is_found_and_nothing_is_trained() -> None:
    found = complaints(Tiny(read_pool=lambda: pool().take(torch.arange(0))))

    assert found == {
        "there are samples in the pool and in both parts of the holdout": (
            "there are no samples in: pool"
        )
    }


def with_ids(*ids: str) -> Tiny:
    return Tiny(read_pool=lambda: renamed(pool(), *ids))


def with_test(test: Samples) -> Tiny:
    return Tiny(read_holdout=lambda: replace(holdout(), test=test))


def with_fresh_ids() -> Tiny:
    calls = count()
    return Tiny(read_pool=lambda: renamed(pool(), f"call-{next(calls)}"))


def with_fresh_noise() -> Tiny:
    calls = count()
    return Tiny(read_pool=lambda: make_samples("pool", 60, seed=next(calls)))


BROKEN = [
    (
        "there are samples in the pool and in both parts of the holdout",
        lambda: with_test(holdout().test.take(torch.arange(0))),
        "there are no samples in: test",
    ),
    (
        "ids stay the same from call to call",
        with_fresh_ids,
        "two calls of pool() gave different ids",
    ),
    (
        "a sample's content stays the same from call to call",
        with_fresh_noise,
        "60 samples differed between two calls of pool(), 'pool-0' first; augment in fit()",
    ),
    (
        "ids are unique",
        lambda: with_ids("pool-7"),
        "the pool names several samples 'pool-7'",
    ),
    ("ids have 1 to 199 characters", lambda: with_ids(""), "the pool holds an id of 0 characters"),
    (
        "ids have 1 to 199 characters",
        lambda: with_test(renamed(holdout().test, "x" * 200)),
        "the test holds an id of 200 characters",
    ),
    (
        "the holdout has no sample of the pool",
        lambda: with_test(renamed(holdout().test, "pool-3", "pool-4")),
        "the pool and the test share 2 ids, 'pool-3' first",
    ),
    (
        "the holdout has no sample of the pool",
        lambda: with_test(replace(pool(), ids=tuple(f"test-{place}" for place in range(60)))),
        "share 60 samples under different ids, 'pool-0' = 'test-0'",
    ),
    (
        "validation and test have no sample in common",
        lambda: with_test(holdout().validation),
        "the validation and the test share 30 ids, 'validation-0' first",
    ),
    (
        "every stratum of the pool appears in the validation set",
        lambda: Tiny(
            read_holdout=lambda: replace(
                holdout(), validation=holdout().validation.take(torch.arange(2))
            )
        ),
        "strata [2] of the pool are not in the validation set",
    ),
]


@pytest.mark.parametrize(("what", "broken", "detail"), BROKEN)
def test_a_broken_promise_about_the_data_is_found_and_explained(
    what: str, broken: Callable[[], Recipe], detail: str
) -> None:
    found = complaints(broken())

    assert detail in found[what]
    assert found.keys() <= {*DATA, *DATA_ADVICE}  # the network is not blamed for its data


def test_every_promise_about_the_data_is_broken_in_some_test() -> None:
    assert {what for what, _, _ in BROKEN} == {*DATA, *DATA_ADVICE}


def test_what_is_merely_advice_is_marked_so() -> None:
    assert {finding.what for finding in check(Tiny()) if finding.advice} == {
        "every stratum of the pool appears in the validation set",
        "fit can deal with a single sample",
    }


def test_a_check_leaves_the_generator_as_it_was() -> None:
    state = torch.get_rng_state()

    check(Tiny())

    assert torch.equal(torch.get_rng_state(), state)
