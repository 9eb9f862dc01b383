import json
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.data import Samples, Split, leaves
from models.diverged import Diverged
from models.hardness.measure import affordable, measure
from models.hardness.memorization import (
    confidence_proxy,
    holdout_proxy,
    summary,
    tuned_on_holdout,
)
from models.hardness.record import Hardness, Proxy, Scale, TargetRule
from models.progress import silent
from models.recipes.digits import recipe
from models.seeding import seeded
from models.training import evaluate
from models.unlearning.targets import Aim, scaled, unscaled


@dataclass(frozen=True)
class Case:
    """A network trained on every writer, with the log of its training."""

    pool: Samples
    validation: Samples
    network: nn.Module
    confidences: dict[str, float]

    def split(self, forget: Tensor) -> Split:
        return Split(self.pool.take(forget), self.pool.take(~forget), self.validation)

    def first(self, count: int) -> Split:
        return self.split(torch.arange(len(self.pool)) < count)

    def memorized(self, count: int) -> Split:
        """The samples that the training was least sure of."""
        least = torch.tensor([self.confidences[i] for i in self.pool.ids]).argsort()[:count]
        return self.split(torch.isin(torch.arange(len(self.pool)), least))


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = recipe.pool()
    with seeded(0):
        network = recipe.build()
    logged = recipe.fit(network, pool, seed=0, progress=silent)
    assert logged is not None
    confidences = dict(zip(pool.ids, logged.tolist(), strict=True))
    yield Case(pool, recipe.holdout().validation, network, confidences)
    torch.set_num_threads(threads)


def measured(case: Case, split: Split, **knobs: Any) -> Hardness:
    return measure(case.network, split, recipe, **{"seed": 0, "progress": silent, **knobs})


def test_the_record_survives_json(case: Case) -> None:
    hardness = measured(case, case.first(48), confidences=case.confidences)

    record = json.loads(json.dumps(asdict(hardness), allow_nan=False))

    assert Hardness.of(record) == hardness
    del record["deficit"]["scale"]  # as older releases wrote it down
    assert Hardness.of(record) == hardness


def test_the_network_stays_as_it_was_and_the_numbers_repeat(case: Case) -> None:
    before = deepcopy(case.network.state_dict())

    first, second = (measured(case, case.first(48)) for _ in range(2))

    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    for name, value in case.network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("budget", [100, 600, 5000])
@pytest.mark.parametrize("logged", [True, False])
def test_the_cost_stays_within_the_budget_and_one_pass_over_the_forget_set(
    budget: int, logged: bool, case: Case
) -> None:
    hardness = measured(
        case,
        case.first(48),
        budget_samples=budget,
        confidences=case.confidences if logged else None,
    )

    assert hardness.sample_passes <= budget + 48


def test_by_default_it_costs_under_a_twentieth_of_a_retrain(case: Case) -> None:
    split = case.first(48)

    hardness = measured(case, split)

    assert hardness.sample_passes < 0.05 * recipe.schedule.epochs * len(split.retain)


def test_a_retrain_of_few_epochs_pays_for_fewer_passes(case: Case) -> None:
    split = case.first(48)
    paid = (math.inf, 40_000.0, 16_010.0, 60.0)
    found = [affordable(split, retrain_passes=passes) for passes in paid]

    assert found == [len(case.pool), len(case.pool), 800, 512]  # fewer would tell nothing


def test_enough_budget_reads_everything_and_leaves_no_sampling_error(case: Case) -> None:
    hardness = measured(case, case.first(48), budget_samples=10**6, confidences=case.confidences)

    assert hardness.samples == 48
    assert (hardness.reconciliation.kappa_error, hardness.reconciliation.cosine_error) == (0, 0)


def test_a_random_forget_set_is_entangled_and_ordinary(case: Case) -> None:
    hardness = measured(case, case.first(96), budget_samples=10**6, confidences=case.confidences)

    assert hardness.entanglement.rank is not None
    assert 0.02 < hardness.entanglement.rank < 0.98
    assert hardness.memorization is not None
    # Of 96 random samples 10 ± 3 lie above the ninth decile.
    assert 0.01 < hardness.memorization.share < 0.22


def test_a_class_is_set_apart_and_would_vanish(case: Case) -> None:
    hardness = measured(case, case.split(case.pool.strata == 3), budget_samples=10**6)

    assert hardness.shares.strata == {"3": 1.0}
    assert hardness.entanglement.rank == 0.0
    assert hardness.reconciliation.kappa < 0  # nothing that is kept is like it


@pytest.mark.parametrize("logged", [True, False])
def test_samples_that_training_was_least_sure_of_count_as_memorized(
    logged: bool, case: Case
) -> None:
    confidences = case.confidences if logged else None

    found, usual = (
        measured(case, split, confidences=confidences, budget_samples=2_000).memorization
        for split in (case.memorized(48), case.first(48))
    )

    assert found is not None
    assert usual is not None
    assert found.proxy is (Proxy.CONFIDENCE if logged else Proxy.HOLDOUT)
    assert found.share > max(0.3, 2 * usual.share)


def test_references_decide_the_deficit(case: Case) -> None:
    split = case.first(12)
    losses = evaluate(case.network, split.forget, recipe.losses)

    targets = unscaled(Aim.CONFIDENCE, scaled(Aim.CONFIDENCE, losses) + 2)
    hardness = measured(case, split, targets=targets, spread=torch.full((12,), 0.5))

    assert hardness.deficit.rule is TargetRule.REFERENCE
    assert hardness.deficit.mean == pytest.approx(2.0, abs=1e-3)
    assert hardness.deficit.scale is Scale.CONFIDENCE
    assert hardness.deficit.exposed == 1.0


def test_one_sample_can_be_measured(case: Case) -> None:
    hardness = measured(case, case.first(1))

    assert (hardness.shares.count, hardness.samples) == (1, 1)


def test_without_log_and_without_held_out_samples_memorization_is_unknown(case: Case) -> None:
    split = case.first(12)
    blind = replace(split, validation=split.validation.take(torch.arange(0)))

    hardness = measured(case, blind, targets=torch.ones(12))

    assert hardness.memorization is None


@pytest.mark.parametrize("count", [0, 1008])
def test_forgetting_nothing_or_everything_is_refused(count: int, case: Case) -> None:
    with pytest.raises(ValueError, match="set is empty"):
        measured(case, case.first(count))


def test_samples_that_are_not_finite_are_refused(case: Case) -> None:
    split = case.first(12)
    inputs, labels = leaves(split.forget.batch)
    broken = replace(split.forget, batch=(torch.full_like(inputs, torch.nan), labels))

    with pytest.raises(ValueError, match="not finite"):
        measured(case, replace(split, forget=broken))


def test_whoever_watches_sees_it_go_forward(case: Case) -> None:
    seen: list[float] = []

    measured(case, case.first(12), progress=lambda share, words: seen.append(share))

    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)


def test_confidence_is_turned_into_memorization_once() -> None:
    samples = Samples(("a", "b"), torch.zeros(2), torch.zeros(2, dtype=torch.int64))

    scores = confidence_proxy(samples, {"b": 0.25, "a": 1.0, "c": 0.5})

    assert scores.tolist() == [0.0, 0.75]


@pytest.mark.parametrize(
    ("confidences", "message"),
    [
        ({"a": 0.5}, "'b' first"),
        ({"a": 0.5, "b": 1.5}, "outside"),
        ({"a": 0.5, "b": torch.nan}, "outside"),
    ],
)
def test_a_log_that_is_incomplete_or_impossible_is_refused(
    confidences: dict[str, float], message: str
) -> None:
    samples = Samples(("a", "b"), torch.zeros(2), torch.zeros(2, dtype=torch.int64))

    with pytest.raises(ValueError, match=message):
        confidence_proxy(samples, confidences)


def test_the_post_hoc_proxy_agrees_with_the_log(case: Case) -> None:
    tuned = tuned_on_holdout(case.network, case.validation, recipe, passes=792, seed=0)
    scores = holdout_proxy(case.network, tuned, case.pool, recipe)
    logged = confidence_proxy(case.pool, case.confidences)

    ranks = [values.argsort().argsort().double() for values in (scores, logged)]
    correlation = torch.corrcoef(torch.stack(ranks))[0, 1]

    # 0.8 against forty trainings on this recipe; a proxy of the wrong sign would be below 0.
    assert correlation.item() > 0.6


def test_tuning_takes_no_more_passes_than_it_was_given(case: Case) -> None:
    untouched = tuned_on_holdout(case.network, case.validation, recipe, passes=31, seed=0)

    for after, before in zip(untouched.parameters(), case.network.parameters(), strict=True):
        assert torch.equal(after, before)


def test_held_out_samples_that_cannot_be_learnt_leave_memorization_unknown() -> None:
    """Squared losses of large numbers make the steps of any fixed rate too long."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(1200, 4, generator=generator)
    amounts = 2000 + 1100 * torch.randn(1200, generator=generator)
    strata = torch.zeros(1200, dtype=torch.int64)
    every = Samples(tuple(str(place) for place in range(1200)), (inputs, amounts), strata)
    parts = [every.take(rows) for rows in torch.arange(1200).split(400)]
    with seeded(0):
        network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    amount = SimpleNamespace(losses=squared, embeddings=lambda net, batch: net[:2](batch[0]))

    with pytest.raises(Diverged, match="held-out samples rose"):
        tuned_on_holdout(network, parts[2], amount, passes=800, seed=0)
    hardness = measure(network, Split(*parts), amount, budget_samples=8000, seed=0, progress=silent)

    assert hardness.memorization is None


def test_losses_below_nought_have_no_spread_of_confidences(case: Case) -> None:
    """Deficits in nats are not held against a spread in logits."""
    shifted = SimpleNamespace(
        losses=lambda net, batch: recipe.losses(net, batch) - 1, embeddings=recipe.embeddings
    )
    targets = torch.full((48,), 0.5)

    found = measure(
        case.network,
        case.first(48),
        shifted,
        targets=targets,
        spread=torch.full((48,), 3.0),
        seed=0,
        progress=silent,
    )

    assert found.deficit.rule is TargetRule.REFERENCE
    assert (found.deficit.spread, found.deficit.exposed) == (None, None)
    assert found.deficit.scale is Scale.LOSS


def squared(network: nn.Module, batch: Any) -> Tensor:
    inputs, amounts = batch
    return (network(inputs).flatten() - amounts).square()


def test_a_summary_holds_the_forget_set_against_the_retain_sets_ninth_decile() -> None:
    retain = torch.arange(101).double()

    memorized = summary(Proxy.HOLDOUT, retain=retain, forget=torch.tensor([89.0, 91.0, 300.0]))

    assert memorized.share == pytest.approx(2 / 3)
    assert memorized.mean == pytest.approx(160)
    with pytest.raises(ValueError, match="not finite"):
        summary(Proxy.HOLDOUT, retain=retain, forget=torch.tensor([torch.nan]))


@pytest.mark.parametrize("shape", ["a mean", "a column"])
def test_losses_that_are_not_one_per_sample_are_refused(shape: str, case: Case) -> None:
    def losses(network: nn.Module, batch: Any) -> Tensor:
        each = recipe.losses(network, batch)
        return each.mean() if shape == "a mean" else each[:, None]

    odd = SimpleNamespace(losses=losses, embeddings=recipe.embeddings)

    with pytest.raises(ValueError, match="one loss per sample"):
        measure(case.network, case.first(48), odd, seed=0, progress=silent)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_tells_no_memorization_after_the_fact(
    dtype: torch.dtype, case: Case
) -> None:
    network = deepcopy(case.network).to(dtype)

    with pytest.raises(ValueError, match="keep the weights in float32"):
        tuned_on_holdout(network, case.first(48).validation, recipe, passes=64, seed=0)


def test_large_losses_in_half_precision_have_a_deficit(case: Case) -> None:
    large = SimpleNamespace(
        losses=lambda net, batch: (recipe.losses(net, batch) + 13).half(),
        embeddings=recipe.embeddings,
    )

    found = measure(
        case.network,
        case.first(48),
        large,
        targets=torch.full((48,), 15.0),
        confidences=dict.fromkeys(recipe.pool().ids, 0.5),
        seed=0,
        progress=silent,
    )

    assert 0 < found.deficit.mean < 2.1
