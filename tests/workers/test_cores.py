"""On how many cores a child computes."""

import os
from collections.abc import Iterator

import pytest
import torch

from workers import child

LEAVES_ONE = max(1, len(os.sched_getaffinity(0)) - 1)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "threads"),
    [("3", 3), ("5,2", 5), ("0", LEAVES_ONE), ("many", LEAVES_ONE), ("", LEAVES_ONE)],
)
def test_a_child_computes_on_as_many_cores_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, asked: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    child.use_cores()

    assert torch.get_num_threads() == threads


def test_a_child_that_is_told_nothing_leaves_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    child.use_cores()

    assert torch.get_num_threads() == LEAVES_ONE
