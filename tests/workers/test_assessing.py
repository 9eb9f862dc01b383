"""What the child tells while it assesses."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from models import weights
from models.data import Samples
from models.seeding import seeded
from tests.workers import tiny
from workers.phases import Bench
from workers.probing import probe


@pytest.mark.parametrize("timed", [True, False])
def test_the_progress_of_an_assessment_never_goes_back(
    timed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where a training has to be timed either: nobody knows how long uploaded weights took."""
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")
    with seeded(0):
        weights.save(tiny.recipe.build(), tmp_path / "parent")
    lists = {"retain": tiny.pool().ids[tiny.EACH :], "forget": tiny.pool().ids[: tiny.EACH]}
    for name, ids in lists.items():
        (tmp_path / name).write_text(json.dumps(ids))
    seen: list[float] = []
    bench = Bench(lambda share, words: seen.append(share))
    paths = {name: str(tmp_path / name) for name in ("parent", *lists)}
    bench.open(recipe="tiny", seed=0, **paths)

    told = bench.assess(
        steering=None,
        confidences=None,
        train_seconds=7.6 if timed else None,
        train_samples=400 if timed else None,
    )

    assert all(sooner <= later for sooner, later in pairwise(seen))
    assert seen[-1] == 1.0
    assert told["retrain_seconds"] > 0
    if timed:
        assert told["retrain_seconds"] == pytest.approx(7.6 * len(lists["retain"]) / 400)


@pytest.mark.parametrize(("there", "taken"), [(40, 40), (1000, 64), (3000, 150), (100_000, 256)])
def test_a_training_is_timed_on_a_small_part_of_the_samples(there: int, taken: int) -> None:
    rows = torch.zeros(there)
    samples = Samples(tuple(map(str, range(there))), (rows,), rows.long())
    seen: list[int] = []

    seconds, count = probe(samples, lambda few: seen.append(len(few)))

    assert (seen, count) == ([taken], taken)
    assert seconds >= 0
