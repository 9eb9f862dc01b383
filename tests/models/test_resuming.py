"""A training that is killed and taken up again ends with the same bits as one that never was."""

from inspect import signature
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.data import Samples
from models.progress import silent
from models.recipe import Classifier, fit
from models.resuming import Resume
from models.seeding import seeded
from models.unlearning import METHODS, RESUMABLE
from tests.models.killing import EPOCHS, JITTERY, Killed, killed_at, noisy
from tests.workers import tiny


def trained(
    samples: Samples, resume: Resume | None = None, *, killed_in: int | None = None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """Weights and confidences of a training, which may be killed as an epoch begins."""

    progress = silent if killed_in is None else killed_at(killed_in / EPOCHS)
    with seeded(7):
        network = JITTERY.build()
    told = fit(JITTERY, network, samples, seed=7, progress=progress, resume=resume)
    return network.state_dict(), told


@pytest.fixture
def resume(tmp_path: Path) -> Resume:
    return Resume(tmp_path / "train.resume", about="this")


@pytest.mark.parametrize("killed_in", range(1, EPOCHS + 1))
def test_a_training_that_was_killed_goes_on_to_the_same_bits(
    resume: Resume, killed_in: int
) -> None:
    samples = tiny.pool()
    weights, told = trained(samples)

    if killed_in < EPOCHS:
        with pytest.raises(Killed):
            trained(samples, resume, killed_in=killed_in)
        assert resume.path.exists()
    again, told_again = trained(samples, resume)

    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert told is not None
    assert told_again is not None
    assert torch.equal(told, told_again)
    assert list(resume.path.parent.iterdir()) == [resume.path]


def test_it_goes_on_after_the_last_epoch_and_not_before(resume: Resume) -> None:
    seen: list[float] = []
    with pytest.raises(Killed):
        trained(tiny.pool(), resume, killed_in=4)

    with seeded(7):
        network = JITTERY.build()
    fit(JITTERY, network, tiny.pool(), seed=7, progress=lambda s, _: seen.append(s), resume=resume)

    assert seen == [4 / EPOCHS, 5 / EPOCHS, 1.0]


def test_repeated_after_its_end_it_trains_nothing(resume: Resume) -> None:
    seen: list[float] = []
    weights, _ = trained(tiny.pool(), resume)

    with seeded(7):
        network = JITTERY.build()
    fit(JITTERY, network, tiny.pool(), seed=7, progress=lambda s, _: seen.append(s), resume=resume)

    assert seen == [1.0]
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_killed_twice_is_no_worse_than_once(resume: Resume) -> None:
    weights, _ = trained(tiny.pool())

    for killed_in in (2, 5):
        with pytest.raises(Killed):
            trained(tiny.pool(), resume, killed_in=killed_in)
    again, _ = trained(tiny.pool(), resume)

    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_what_another_loop_left_is_not_taken_up(resume: Resume) -> None:
    with pytest.raises(Killed):
        trained(tiny.pool(), resume, killed_in=4)

    assert resume.path.exists()
    assert Resume(resume.path, about="that").left() is None
    assert not resume.path.exists()  # somebody in it may have asked to be forgotten


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_state_that_is_damaged_is_as_good_as_none(resume: Resume, damage: bytes) -> None:
    resume.path.write_bytes(damage)

    assert resume.left() is None


def test_weights_that_lie_channels_last_can_be_left(resume: Resume) -> None:
    weights = torch.rand(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)

    resume.leave({"weights": weights}, {})
    left = resume.left()

    assert left is not None
    assert torch.equal(left.tensors["weights"], weights)


def test_the_methods_that_are_said_to_go_on_are_those_that_take_a_resume() -> None:
    taking = [name for name, method in METHODS.items() if "resume" in signature(method).parameters]

    assert sorted(RESUMABLE) == sorted(taking)


def test_a_recipe_that_knows_nothing_of_it_is_trained_all_the_same(resume: Resume) -> None:
    class Own(Classifier):
        def fit(  # type: ignore[override]  # as recipes from before are
            self, network: nn.Module, samples: Samples, *, seed: int, progress: object
        ) -> Tensor:
            return torch.ones(len(samples))

    own = Own("own", noisy, tiny.pool, tiny.holdout, JITTERY.schedule)

    told = fit(own, noisy(), tiny.pool(), seed=1, progress=silent, resume=resume)

    assert told is not None
    assert bool((told == 1).all())


def test_the_time_of_earlier_runs_counts(resume: Resume) -> None:
    resume.began -= 100  # as if it had run for so long
    resume.leave({}, {})
    later = Resume(resume.path, about="this")

    assert later.left() is not None
    assert 100 <= later.seconds < 200
