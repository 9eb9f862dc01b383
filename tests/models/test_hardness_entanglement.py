import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.hardness.entanglement import (
    centred,
    centroid_distances,
    entanglement,
    entanglement_scores,
    random_score,
)


def cloud(count: int, *, at: float = 0.0, seed: int = 0, width: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return at + torch.randn(count, width, generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def by_the_book(retain: Tensor, forget: Tensor) -> float:
    """ES with the exact pooled mean, as written in the paper."""
    retain, forget = retain.double(), forget.double()
    mean = torch.cat((retain, forget)).mean(dim=0)
    within = sum((s - s.mean(dim=0)).square().sum(dim=1).mean() for s in (retain, forget))
    between = sum((s.mean(dim=0) - mean).square().sum() for s in (retain, forget))
    return float(within / (between / 2))


@given(st.integers(2, 30), st.integers(1, 30), st.floats(-3, 3), st.integers(0, 1000))
def test_the_score_is_the_papers(retain: int, forget: int, at: float, seed: int) -> None:
    kept, gone = cloud(retain, seed=seed), cloud(forget, at=at, seed=seed + 1)

    measured = entanglement(kept, gone, draws=1, generator=seeded())

    assert measured.score == pytest.approx(by_the_book(kept, gone), rel=1e-6)


def test_random_sets_score_what_the_closed_form_says() -> None:
    pooled = centred(cloud(270, width=64), cloud(30, seed=1, width=64))
    generator = seeded()
    sets = [torch.randperm(300, generator=generator)[:30] for _ in range(200)]

    scores = entanglement_scores(pooled, torch.stack(sets))

    # One score varies by the factor √(2/64); a ratio's mean lies a little above that of its parts.
    mean = scores.nanmean().item()
    assert mean == pytest.approx(random_score(270, 30), rel=0.08)


def test_the_midpoint_convention_would_give_three_quarters_more() -> None:
    kept, gone = cloud(42_000, width=2), cloud(3_000, at=1.0, seed=1, width=2)
    score = entanglement(kept, gone, draws=1, generator=seeded()).score
    within = kept.var(dim=0, correction=0).sum() + gone.var(dim=0, correction=0).sum()
    midpoint = within / ((kept.mean(dim=0) - gone.mean(dim=0)).square().sum() / 4)

    assert score is not None
    assert midpoint.item() / score == pytest.approx(1.751, abs=1e-3)


def test_a_part_of_what_is_kept_gives_the_score_of_all_of_it() -> None:
    kept, gone = cloud(20_000, width=8), cloud(1000, at=0.5, seed=1, width=8)

    whole = entanglement(kept, gone, draws=1, generator=seeded())
    drawn = entanglement(kept[:2000], gone, share=1 / 21, draws=1, generator=seeded())

    assert drawn.score == pytest.approx(whole.score, rel=0.05)
    assert drawn.random == pytest.approx(whole.random, rel=0.5)  # fewer means err by more


def test_a_set_apart_ranks_below_all_random_sets() -> None:
    apart = entanglement(cloud(300), cloud(30, at=2.0, seed=1), generator=seeded())

    assert apart.rank == 0.0
    assert apart.score is not None
    assert apart.score < apart.random / 10


def test_the_further_apart_the_lower_the_score_and_all_well_below_a_random_sets() -> None:
    kept = cloud(300)

    low, medium, high = (
        entanglement(kept, cloud(30, at=at, seed=1), draws=1, generator=seeded()).score
        for at in (2.0, 1.0, 0.5)
    )

    assert low is not None
    assert medium is not None
    assert high is not None
    assert low < medium < high < random_score(300, 30) / 4


def test_random_sets_rank_evenly() -> None:
    pool = cloud(330)
    ranks = []
    for seed in range(40):
        order = torch.randperm(330, generator=torch.Generator().manual_seed(seed))
        found = entanglement(pool[order[30:]], pool[order[:30]], draws=100, generator=seeded())
        assert found.rank is not None
        ranks.append(found.rank)

    # The mean of 40 even ranks is 0.5 with a standard deviation of 0.046.
    assert sum(ranks) / 40 == pytest.approx(0.5, abs=0.18)


def test_means_that_coincide_have_no_score() -> None:
    measured = entanglement(torch.ones(10, 3), torch.ones(4, 3), generator=seeded())

    assert (measured.score, measured.rank) == (None, None)


def test_distances_are_taken_to_the_mean_of_all_samples() -> None:
    distances = centroid_distances(torch.zeros(3, 2), torch.tensor([[4.0, 0.0]]))

    assert distances.tolist() == [3.0]


@pytest.mark.parametrize(
    ("retain", "forget", "message"),
    [
        pytest.param(cloud(0), cloud(5), "both sides", id="nothing to keep"),
        pytest.param(cloud(5), cloud(0), "both sides", id="nothing to forget"),
        pytest.param(cloud(5), torch.full((2, 16), torch.nan), "not finite", id="NaN"),
    ],
)
def test_bad_input_is_refused(retain: Tensor, forget: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        entanglement(retain, forget, generator=seeded())
