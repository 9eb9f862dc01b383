from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from models.progress import silent
from models.training import evaluate
from models.unlearning.scrub import divergence, scrub, unseen_score
from tests.models.blobs import make_split, recipe, trained


@pytest.fixture
def network() -> nn.Module:
    return trained()


def test_scrub_returns_the_stored_epoch_nearest_to_held_out_samples(network: nn.Module) -> None:
    # All epochs go up, and steeply, so that the last ones go past the aim.
    wild = partial(scrub, epochs=8, max_epochs=8, rate=0.4, distil_weight=0.0)

    done = wild(network, make_split(), recipe, seed=0, progress=silent)
    gaps = done.trace.columns["forget_score_gap"]

    score = evaluate(done.network, make_split().forget, recipe.scores).mean().item()
    assert min(gaps) < gaps[-1]
    assert abs(score - unseen_score(network, make_split(), recipe)) == min(gaps)


def test_an_epoch_in_which_the_student_has_collapsed_is_not_the_one_to_rewind_to(
    network: nn.Module,
) -> None:
    # In the end the forgotten, the kept and the unseen are all served as by chance, a third.
    wild = partial(scrub, epochs=8, max_epochs=8, rate=0.2, distil_weight=0.0)

    done = wild(network, make_split(), recipe, seed=0, progress=silent)

    assert done.trace.columns["forget_score_gap"][-1] > 0.25
    assert evaluate(done.network, make_split().retain, recipe.scores).mean() > 0.6


def test_the_score_to_rewind_to_weighs_classes_as_the_forget_set_does(network: nn.Module) -> None:
    split = make_split(64)
    strata = split.forget.strata
    skewed = torch.cat([(strata == 0).nonzero()[:9], (strata == 1).nonzero()[:3]]).flatten()
    scores = evaluate(network, split.validation, recipe.scores)
    first, second = (scores[split.validation.strata == each].mean().item() for each in (0, 1))

    wanted = unseen_score(network, replace(split, forget=split.forget.take(skewed)), recipe)

    assert first != second
    assert wanted == pytest.approx((9 * first + 3 * second) / 12)


def test_scrub_drives_the_student_away_from_its_teacher(network: nn.Module) -> None:
    wild = partial(scrub, epochs=8, max_epochs=8, rate=0.4, distil_weight=0.0)

    done = wild(network, make_split(), recipe, seed=0, progress=silent)

    # Towards the teacher instead of away from it, this ends at 0.09.
    assert done.trace.columns["forget_divergence"][-1] > 100


def test_scrub_without_a_reason_to_rewind_keeps_the_last_epoch(network: nn.Module) -> None:
    done = scrub(network, make_split(), recipe, rate=1e-6, seed=0, progress=silent)

    assert len(set(done.trace.columns["forget_score_gap"])) == 1
    assert done.trace.notes == ("rewound to the weights after epoch 5 of 5",)


def test_scrub_needs_held_out_samples(network: nn.Module) -> None:
    split = make_split()
    blind = replace(split, validation=split.validation.take(torch.arange(0)))

    with pytest.raises(ValueError, match="held-out"):
        scrub(network, blind, recipe, seed=0, progress=silent)


def test_the_divergence_is_kl_times_the_squared_temperature_averaged_over_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    p, q = (torch.softmax(logits / 4, dim=1) for logits in (teacher, student))

    measured = divergence(teacher, student, temperature=4.0)

    torch.testing.assert_close(measured, 16 * (p * (p / q).log()).sum(dim=1).mean())
    assert divergence(student, student, temperature=4.0).item() == 0
