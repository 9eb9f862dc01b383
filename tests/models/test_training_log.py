"""What a training tells of its samples on the way, and who hands it on."""

import pytest
import torch

from models.hardness.memorization import are_confidences
from models.progress import silent
from models.seeding import seeded
from models.unlearning.retrain import retrain
from tests.models.blobs import make_split, recipe, trained


def test_a_retrain_hands_on_how_sure_it_was_of_every_retained_sample() -> None:
    split = make_split()

    told = retrain(trained(), split, recipe, seed=0, progress=silent).confidences

    assert told is not None
    assert are_confidences(told, len(split.retain))
    with seeded(0):
        fresh = recipe.build()
    by_hand = recipe.fit(fresh, split.retain, seed=0, progress=silent)
    assert by_hand is not None
    torch.testing.assert_close(told, by_hand)


@pytest.mark.parametrize(
    "values",
    [torch.tensor([0.1]), torch.tensor([0.1, 1.1]), torch.tensor([[0.1], [0.2]])],
    ids=["too few", "more than one", "no list"],
)
def test_what_is_no_confidence_for_each_sample_is_known_as_such(values: torch.Tensor) -> None:
    assert not are_confidences(values, 2)
    assert not are_confidences(torch.tensor([torch.nan, 0.5]), 2)
    assert are_confidences(torch.tensor([0.0, 1.0]), 2)
