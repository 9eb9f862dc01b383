import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.reference_predictions import Average, Predictions, expected, predicted
from models.training import evaluate
from models.unlearning.logits import class_logits
from tests.models.blobs import CLASSES, recipe, trained


def said(*rows: list[float]) -> Predictions:
    """A reference that predicts these distributions, whole."""
    logs = torch.tensor(rows).log()
    return Predictions(torch.arange(logs.shape[1]).expand(logs.shape), logs, logs.shape[1])


def softmaxes(samples: int, classes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(3 * torch.randn(samples, classes, generator=generator), dim=1)


def test_what_is_kept_of_a_network_with_few_classes_is_its_whole_prediction() -> None:
    pool = recipe.pool()

    kept = predicted(trained(), pool)

    by_hand = torch.log_softmax(evaluate(trained(), pool, class_logits), dim=1)
    assert (kept.of, kept.classes.shape) == (CLASSES, (len(pool), CLASSES))
    torch.testing.assert_close(kept.whole(), by_hand, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kept.take(torch.tensor([5, 2])).whole(), kept.whole()[[5, 2]])


def test_of_many_classes_the_likeliest_are_kept_and_the_rest_is_shared_out() -> None:
    pool = recipe.pool()

    kept = predicted(trained(), pool, most=2)

    whole, truth = kept.whole().exp(), predicted(trained(), pool).whole().exp()
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(len(pool)))
    torch.testing.assert_close(whole.topk(2).values, truth.topk(2).values)
    others = whole.topk(CLASSES).values[:, 2:]
    torch.testing.assert_close(others[:, 0], others[:, 1])


def test_only_references_that_never_saw_a_sample_are_averaged() -> None:
    first, second = said([0.9, 0.1], [0.5, 0.5]), said([0.3, 0.7], [0.2, 0.8])
    left_out = torch.tensor([[True, True], [False, True]])

    plain = expected([first, second], left_out)
    geometric = expected([first, second], left_out, average=Average.LOG)

    torch.testing.assert_close(plain, torch.tensor([[0.9, 0.1], [0.35, 0.65]]).double())
    both = (torch.tensor([0.5, 0.5]) * torch.tensor([0.2, 0.8])).sqrt()
    torch.testing.assert_close(geometric[1], (both / both.sum()).double())
    torch.testing.assert_close(geometric[0], plain[0])


def test_a_sample_that_all_saw_has_no_expected_prediction() -> None:
    for average in Average:
        row = expected([said([0.9, 0.1])], torch.tensor([[False]]), average=average)
        assert torch.isnan(row).all()


@given(
    references=st.integers(1, 5),
    classes=st.integers(2, 6),
    seed=st.integers(0, 2**31),
    average=st.sampled_from(Average),
)
def test_an_average_is_a_distribution_and_of_equals_it_is_the_same(
    references: int, classes: int, seed: int, average: Average
) -> None:
    rows = [softmaxes(3, classes, seed + number) for number in range(references)]
    nobody_saw = torch.ones(references, 3, dtype=torch.bool)

    mean = expected([said(*one.tolist()) for one in rows], nobody_saw, average=average)
    equal = expected([said(*rows[0].tolist())] * references, nobody_saw, average=average)

    torch.testing.assert_close(mean.sum(dim=1), torch.ones(3).double())
    torch.testing.assert_close(equal, rows[0].double(), atol=1e-6, rtol=1e-5)


def test_a_network_without_class_logits_predicts_no_classes() -> None:
    scalar = nn.Sequential(nn.Linear(8, 1), nn.Flatten(0))

    with pytest.raises(ValueError, match="not one row of logits per sample"):
        predicted(scalar, recipe.pool())
