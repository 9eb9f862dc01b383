"""A run of ∇τ that is killed and taken up again ends with the same bits as one that never was."""

from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models import keeping
from models.data import Split, endless_row_batches
from models.progress import Progress, silent
from models.resuming import Resume
from models.seeding import seeded
from models.unlearning.contract import Unlearned
from models.unlearning.nabla_tau import nabla_tau
from models.unlearning.shuffled import Renewed
from tests.models.blobs import same_state
from tests.models.killing import JITTERY, Killed, killed_at
from tests.workers import tiny

EPOCHS = 5
LEVELS = {"refresh_every": 3, "class_matched": True}
# How many are forgotten, and how: kept batches that outlast a forget-epoch, and that do not.
WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "as it comes": (30, {}),
    "in training mode": (30, {"batch_size": 16, "train_mode": True, **LEVELS}),
    "to targets": (40, {"batch_size": 32, "targets": torch.linspace(0.5, 3, 40)}),
    "of nearly all": (300, {"batch_size": 64, "decay_per_step": True, **LEVELS}),
}


@pytest.fixture(autouse=True)
def _left_after_every_forget_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "REST", -1)


@pytest.fixture
def resume(tmp_path: Path) -> Resume:
    return Resume(tmp_path / "nabla_tau.resume", about="this")


@cache
def trained() -> nn.Module:
    with seeded(0):
        network = JITTERY.build()
    JITTERY.fit(network, tiny.pool(), seed=0, progress=silent)
    return network


def make_split(forget: int) -> Split:
    pool = tiny.pool()
    gone = torch.arange(len(pool)) < forget
    return Split(pool.take(gone), pool.take(~gone), tiny.holdout().validation)


def run(way: str, resume: Resume | None = None, progress: Progress = silent) -> Unlearned:
    forget, knobs = WAYS[way]
    return nabla_tau(
        *(trained(), make_split(forget), JITTERY),
        seed=3,
        progress=progress,
        epochs=EPOCHS,
        resume=resume,
        **knobs,
    )


@cache
def unbroken(way: str) -> Unlearned:
    return run(way)


def is_unbroken(way: str, ended: Unlearned) -> bool:
    alike = same_state(ended.network, unbroken(way).network)
    return alike and ended.trace == unbroken(way).trace


@pytest.mark.parametrize("epoch", range(1, EPOCHS))
@pytest.mark.parametrize("way", WAYS)
def test_killed_after_any_forget_epoch_and_taken_up_it_ends_with_the_same_bits(
    way: str, epoch: int, resume: Resume
) -> None:
    with pytest.raises(Killed):
        run(way, resume, killed_at(epoch / EPOCHS))
    assert resume.path.exists()

    ended = run(way, resume)

    assert is_unbroken(way, ended)
    assert list(resume.path.parent.iterdir()) == [resume.path]


@pytest.mark.parametrize("way", WAYS)
def test_killed_again_and_again_it_ends_with_the_same_bits(way: str, resume: Resume) -> None:
    for epoch in range(EPOCHS):
        with pytest.raises(Killed):
            run(way, resume, killed_at(epoch / EPOCHS))

    assert is_unbroken(way, run(way, resume))


@pytest.mark.parametrize("way", WAYS)
def test_repeated_after_its_end_there_is_nothing_left_to_do(way: str, resume: Resume) -> None:
    run(way, resume)

    ended = run(way, resume, killed_at(0))

    assert is_unbroken(way, ended)


def test_it_goes_on_after_the_last_forget_epoch_and_not_before(resume: Resume) -> None:
    seen: list[float] = []
    with pytest.raises(Killed):
        run("to targets", resume, killed_at(3 / EPOCHS))

    run("to targets", resume, lambda share, words: seen.append(share))

    assert seen == [3 / EPOCHS, 4 / EPOCHS]


def test_what_was_left_of_other_samples_is_thrown_away(resume: Resume) -> None:
    seen: list[float] = []
    with pytest.raises(Killed):
        run("to targets", Resume(resume.path, about="others"), killed_at(3 / EPOCHS))

    ended = run("to targets", resume, lambda share, words: seen.append(share))

    assert seen[0] == 0
    assert is_unbroken("to targets", ended)
    assert list(resume.path.parent.iterdir()) == [resume.path]


def test_a_state_is_left_only_as_often_as_costs_little(
    resume: Resume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "REST", 1e9)

    with pytest.raises(Killed):
        run("to targets", resume, killed_at(4 / EPOCHS))
    left = resume.left()

    assert left is not None
    assert left.facts["epoch"] == 1


@given(
    count=st.integers(1, 12),
    size=st.integers(1, 13),
    steps=st.integers(1, 9),
    cut=st.integers(0, 30),
)
def test_renewed_batches_are_those_of_passes_cut_short_wherever_they_are_left(
    count: int, size: int, steps: int, cut: int
) -> None:
    slow = torch.Generator().manual_seed(1)
    expected: list[Tensor] = []
    while len(expected) < 40:
        passes = endless_row_batches(count, size, generator=slow)
        expected += islice(passes, steps)

    first = Renewed(count, size, steps, torch.Generator().manual_seed(1))
    drawn = list(islice(first, cut))
    generator = torch.Generator()
    generator.set_state(first.generator.get_state())
    again = Renewed(count, size, steps, generator, first.order, first.taken, first.drawn)
    drawn += islice(again, 40 - cut)

    assert [rows.tolist() for rows in drawn] == [rows.tolist() for rows in expected[:40]]
