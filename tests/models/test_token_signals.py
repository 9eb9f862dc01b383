from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.auditing.audit import audit
from models.auditing.report import AuditReport
from models.auditing.token_signals import min_k
from models.auditing.verdict import Thresholds
from models.data import Split
from models.progress import silent
from models.recipe import TokenRecipe
from models.recipe_check import check
from models.seeding import seeded
from models.unlearning.retrain import retrain
from tests.models import blobs
from tests.models.letters import recipe

FORGOTTEN = 40


def split() -> Split:
    pool = recipe.pool()
    places = torch.arange(len(pool))
    return Split(
        pool.take(places < FORGOTTEN), pool.take(places >= FORGOTTEN), recipe.holdout().validation
    )


@cache
def trained() -> nn.Module:
    with seeded(0):
        network = recipe.build()
    recipe.fit(network, recipe.pool(), seed=0, progress=silent)
    return network.eval()


@cache
def report() -> AuditReport:
    retrained = retrain(trained(), split(), recipe, seed=1, progress=silent).network
    return audit(
        trained(),
        retrained,
        split(),
        recipe.holdout().test,
        recipe,
        route="retrain",
        seed=0,
        thresholds=Thresholds(),
        progress=silent,
    )


def auc(attack: str, network: str) -> float:
    (found,) = (
        one.auc.estimate
        for one in report().attacks
        if (one.attack, one.network, one.unseen) == (attack, network, "validation")
    )
    return found


def test_the_least_likely_fifth_of_the_tokens_counts_and_padding_does_not() -> None:
    losses = np.array([[1.0, 9.0, 2.0, 3.0, 5.0, 0.0, 0.0, 0.0, 0.0, 7.0], [4.0] + 9 * [np.nan]])

    assert min_k(losses).tolist() == [-8.0, -4.0]


@given(
    st.lists(st.lists(st.floats(0, 50), min_size=1, max_size=9), min_size=1, max_size=5),
    st.integers(0, 4),
)
def test_padding_changes_nothing_and_all_tokens_are_the_mean(
    texts: list[list[float]], more: int
) -> None:
    width = max(map(len, texts)) + more
    padded = np.array([text + [np.nan] * (width - len(text)) for text in texts])

    assert min_k(padded, share=1.0) == pytest.approx([-np.mean(text) for text in texts])
    assert min_k(padded) == pytest.approx([min_k(np.array([text]))[0] for text in texts])
    assert (min_k(padded) <= min_k(padded, share=1.0) + 1e-9).all()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_of_no_token_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="no share of the tokens"):
        min_k(np.ones((1, 2)), share=share)


def test_a_sample_of_padding_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        min_k(np.full((1, 3), np.nan))


def test_a_recipe_of_letters_keeps_its_promises() -> None:
    assert isinstance(recipe, TokenRecipe)
    assert not isinstance(blobs.recipe, TokenRecipe)
    assert [one for one in check(recipe, seed=0) if not one.ok] == []


def test_rare_letters_tell_names_that_were_learnt_from_names_that_were_not() -> None:
    assert auc("min_k", "parent") > 0.8
    assert auc("tokens", "parent") > 0.8
    assert abs(auc("min_k", "served") - 0.5) < 0.15
