"""A run of HAMU that is killed and taken up again ends with the same bits as one that never was."""

import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models import keeping
from models.progress import Progress, silent
from models.resuming import Resume
from models.unlearning.contract import Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.team import Team
from models.unlearning.trust import Harm
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.killing import Killed, killed_at

STEPS = 30
# Whole forget sets and shuffled ones, stops of every kind, steps that are taken back, each metric.
WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "in batches": {"forget_batch": 5, "batch_size": 24},
    "too fast": {"forget_batch": 7, "rate": 0.05, "most_rate": 0.5},
    "lost on the way": {"forget_batch": 5, "aim": "ascent", "share": 0.5, "rate": 1e20},
    "to unseen targets": {"aim": "samples", "targets": torch.full((16,), 1.5), "metric": "fisher"},
    "until it harms": {"share": 0.95, "patience": 4},
    "as published": {"aim": "ascent", "metric": "plain", "share": 0.5, "trust": False},
}


def run(way: str, resume: Resume | None = None, progress: Progress = silent) -> Unlearned:
    knobs = {"steps": STEPS, **WAYS[way]}
    return hamu(trained(), make_split(), recipe, seed=3, progress=progress, resume=resume, **knobs)


@cache
def unbroken(way: str) -> Unlearned:
    return run(way)


def killed(way: str, resume: Resume, step: int) -> bool:
    """Run until this step; whether it came so far."""
    try:
        run(way, resume, killed_at(step / STEPS))
    except Killed:
        return True
    return False


@pytest.fixture(autouse=True)
def _left_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "REST", -1)


@settings(max_examples=25)
@given(
    way=st.sampled_from(sorted(WAYS)),
    steps=st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=3),
)
@example(way="until it harms", steps=[21])  # between the last calm weights and the stop
def test_killed_at_any_steps_and_taken_up_it_ends_with_the_same_bits(
    way: str, steps: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        resume = Resume(Path(folder) / "hamu.resume", about="this")

        for step in sorted(steps):
            killed(way, resume, step)
        ended = run(way, resume)

        assert same_state(ended.network, unbroken(way).network)
        assert ended.trace == unbroken(way).trace
        assert list(Path(folder).iterdir()) == [resume.path]


@pytest.mark.parametrize("way", sorted(WAYS))
def test_it_goes_on_after_the_last_step_and_not_before(way: str, tmp_path: Path) -> None:
    resume = Resume(tmp_path / "hamu.resume", about="this")
    seen: list[float] = []

    assert killed(way, resume, 7)
    run(way, resume, lambda share, words: seen.append(share))

    assert seen[0] >= 7 / STEPS


def test_after_steps_that_were_taken_back_nothing_is_left_of_them(tmp_path: Path) -> None:
    resume = Resume(tmp_path / "hamu.resume", about="this")

    assert killed("lost on the way", resume, 2)  # a step, and one whose gradient is not finite
    left = resume.left()

    assert left is not None
    assert not left.tensors["mean_square"].any()
    assert (left.facts["weight"], left.facts["harm"]) == (0.0, asdict(Harm()))
    assert torch.equal(left.tensors["weights"], left.tensors["good"])


def test_a_state_is_left_only_as_often_as_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "REST", 1e9)
    resume = Resume(tmp_path / "hamu.resume", about="this")

    assert killed("as it comes", resume, 9)
    left = resume.left()

    assert left is not None
    assert left.facts["step"] == 1


def test_several_processes_cannot_go_on_where_they_were_killed(tmp_path: Path) -> None:
    resume = Resume(tmp_path / "hamu.resume", about="this")

    with pytest.raises(ValueError, match="several processes cannot go on"):
        hamu(
            trained(),
            make_split(),
            recipe,
            seed=0,
            progress=silent,
            team=Team(0, 2),
            resume=resume,
        )
