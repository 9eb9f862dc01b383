"""What references said, as the network that is to forget would say it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.data import Batch, lot
from models.recipe import Classifier
from models.reference_targets import Lead, lead_over, left_out_by_each, targets_for
from models.references import Reference, Table, targets
from models.training import evaluate
from models.unlearning.targets import RANKED, Aim, scaled, unscaled
from tests.models.blobs import make_split, recipe
from tests.models.blobs import trained as parent

EIGHTH, QUARTER = make_split(16), make_split(32)  # of 128 samples


def told(unseen: Tensor, *, count: int = 16, loss: float = 0.5) -> Table:
    """Four references that left out a quarter each, and say the same of every sample."""
    ids = QUARTER.forget.ids[:count]
    part_of = torch.arange(count) % 4
    rows = [Reference(torch.full((count,), loss), part_of == part, unseen) for part in range(4)]
    return Table(ids, tuple(rows))


def worse_by(doubt: float, losses: Tensor) -> Tensor:
    return unscaled(Aim.CONFIDENCE, scaled(Aim.CONFIDENCE, losses) + doubt)


def unseen_losses() -> Tensor:
    return evaluate(parent(), EIGHTH.validation, recipe.losses)


@pytest.mark.parametrize(("count", "kept"), [(16, 0.5), (32, 0.0)])
def test_a_target_gives_up_what_a_retrain_would_keep_of_the_lead(count: int, kept: float) -> None:
    of_forget = told(worse_by(1.0, unseen_losses()), count=count)

    aimed = targets_for(parent(), make_split(count), recipe, of_forget)

    due = float(scaled(Aim.CONFIDENCE, torch.tensor(0.5))) - kept
    assert scaled(Aim.CONFIDENCE, aimed).tolist() == pytest.approx([due] * count, abs=1e-3)


def test_references_that_are_better_raise_the_target() -> None:
    of_forget = told(worse_by(-1.0, unseen_losses()))

    assert bool((targets_for(parent(), EIGHTH, recipe, of_forget) > targets(of_forget)).all())


def test_nothing_moves_where_references_were_asked_about_other_samples() -> None:
    of_forget = told(worse_by(1.0, unseen_losses()[:-1]))

    assert lead_over(of_forget, parent(), EIGHTH, recipe).by == 0
    assert torch.equal(targets_for(parent(), EIGHTH, recipe, of_forget), targets(of_forget))


class Shifted(Classifier):
    """Its losses go below nought, as those of a density may."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch) - 9


def test_losses_below_nought_are_moved_as_they_are() -> None:
    of_forget = told(unseen_losses() - 8, loss=-3.0)

    lead = lead_over(of_forget, parent(), EIGHTH, Shifted(**vars(recipe)))

    assert lead.aim is Aim.SAMPLES
    assert lead.off(targets(of_forget)).tolist() == pytest.approx([-3.5] * 16)


def test_a_sample_that_all_references_saw_has_no_target() -> None:
    assert torch.isnan(Lead(Aim.CONFIDENCE, 0.5).off(torch.tensor([torch.nan]))).all()


def test_each_references_share_is_told_by_how_often_a_sample_was_left_out() -> None:
    quarters = told(torch.empty(0))
    nobody = Reference(torch.zeros(2), torch.zeros(2, dtype=torch.bool), torch.empty(0))

    assert left_out_by_each(quarters) == 0.25
    assert left_out_by_each(Table(("a", "b"), (nobody, nobody))) == 0


def test_a_reference_that_diverged_takes_no_lead_from_the_others() -> None:
    whole = told(worse_by(1.0, unseen_losses()))
    broken = replace(
        whole.references[0], unseen=torch.full_like(whole.references[0].unseen, torch.nan)
    )
    spoilt = replace(whole, references=(broken, *whole.references[1:]))

    assert lead_over(spoilt, parent(), EIGHTH, recipe) == lead_over(whole, parent(), EIGHTH, recipe)


def test_no_class_is_left_out_where_classes_take_turns() -> None:
    strata = torch.arange(3 * RANKED + 4) % 4  # every fourth is of the first

    drawn = strata[lot(len(strata), seed=0, most=RANKED)]

    assert len(drawn) == RANKED
    assert drawn.bincount().min() > RANKED / 5
