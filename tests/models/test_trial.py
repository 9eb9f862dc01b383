from copy import deepcopy
from dataclasses import replace
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.data import Samples
from models.diverged import Diverged
from models.hardness.record import TargetRule
from models.progress import silent
from models.references import plans, table
from models.trial import Known, Scene, scores_of, tried
from models.trial_sets import FEWEST, drawn, split_at
from models.unlearning import METHODS
from models.unlearning.contract import Method
from tests.models.blobs import make_split, recipe, same_state, trained


def lying(count: int, strata: int) -> tuple[Samples, Tensor]:
    """Samples in strata of descending size, and a score for each."""
    places = torch.arange(count)
    samples = Samples(tuple(map(str, range(count))), places, (places % (2 * strata)) // 2)
    return samples, places.double()


@given(
    count=st.integers(60, 400),
    share=st.floats(0.01, 0.2),
    high=st.booleans(),
    skewed=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_a_set_is_drawn_as_it_was_asked_for(
    count: int, share: float, high: bool, skewed: bool, seed: int
) -> None:
    samples, scores = lying(count, 3)

    rows = drawn(samples, scores, share=share, high=high, skewed=skewed, seed=seed)

    strata = samples.strata[rows].unique()
    own = scores[samples.strata == strata[0]] if skewed else scores
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(rows) <= max(FEWEST, round(share * count))
    assert len(rows) < len(own)
    if skewed:
        assert len(strata) == 1
    if high:
        assert (
            scores[rows] >= own.sort(descending=True).values[max(len(rows), len(own) // 10) - 1]
        ).all()


@given(
    sizes=st.lists(st.integers(1, 9), min_size=20, max_size=60),
    share=st.floats(0.01, 0.2),
    high=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_people_are_drawn_with_all_that_is_theirs(
    sizes: list[int], share: float, high: bool, seed: int
) -> None:
    people = [f"person-{number}" for number, size in enumerate(sizes) for _ in range(size)]
    samples, scores = lying(len(people), 3)
    samples = replace(samples, subjects=tuple(people))

    rows = drawn(samples, scores, share=share, high=high, skewed=False, seed=seed)

    taken = {people[row] for row in rows.tolist()}
    wanted = max(FEWEST, round(share * len(people)))
    assert rows.tolist() == [row for row, owner in enumerate(people) if owner in taken]
    assert wanted <= len(rows) < wanted + max(sizes)
    if high:  # scores rise with the places: the last people are the most memorized
        assert min(people.index(owner) for owner in taken) >= len(people) - max(
            wanted, len(people) // 10
        ) - max(sizes)


def test_one_seed_draws_one_set_and_another_seed_another() -> None:
    samples, scores = lying(200, 2)

    first, again, other = (
        drawn(samples, scores, share=0.1, high=False, skewed=False, seed=seed).tolist()
        for seed in (0, 0, 1)
    )

    assert first == again != other


def test_too_few_samples_leave_nothing_to_keep() -> None:
    samples, scores = lying(4, 1)
    rows = drawn(samples, scores, share=0.5, high=False, skewed=False, seed=0)

    with pytest.raises(ValueError, match="4 samples are too few"):
        split_at(samples, rows, samples)


def make_scene(known: Known | None = None) -> Scene:
    split = make_split()
    return Scene(
        trained(), split, recipe.holdout(), recipe, (known or Known()).of(split.forget), 0, silent
    )


@pytest.mark.parametrize("method", ["hamu", "rum"])
def test_a_trial_says_what_a_job_would_have_come_to_and_leaves_the_network_alone(
    method: str,
) -> None:
    before = deepcopy(trained())

    done = tried(make_scene(), method=method)

    facts = done.facts
    assert same_state(trained(), before)
    assert facts["samples"] == 16
    assert facts["verdict"] in ("pass", "escalate", "inconclusive")
    assert facts["hardness"]["deficit"]["rule"] == TargetRule.MATCHED
    assert facts["retrained_exposed"] is None
    assert set(facts["gaps"]) == {"forget", "retain", "test", "forget_loss"}
    assert facts["seconds"]["unlearn"] > 0
    assert facts["seconds"]["retrain"] > 0
    assert len(done.networks) == 2


def test_with_references_a_trial_says_how_exposed_a_retrained_network_is() -> None:
    pool, validation = recipe.pool(), recipe.holdout().validation
    drawn_plans = plans([None] * len(pool), parts=4, rounds=2, seed=0)
    said = table(recipe, pool, validation, drawn_plans, silent)

    facts = tried(make_scene(Known(steering=said)), method="hamu").facts

    assert facts["hardness"]["deficit"]["rule"] == TargetRule.REFERENCE
    assert facts["retrained_exposed"] < facts["hardness"]["deficit"]["exposed"]


def test_a_method_that_diverges_is_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(*_: object, **__: object) -> object:
        raise Diverged("the loss is inf")

    monkeypatch.setitem(METHODS, "hamu", diverging)  # type: ignore[arg-type]  # returns nothing

    facts = tried(make_scene(), method="hamu").facts

    assert (facts["verdict"], facts["sentences"]) == ("diverged", ["the loss is inf"])
    assert facts["gaps"] is None


def test_samples_are_ranked_by_the_best_that_is_known_of_them() -> None:
    pool, validation = recipe.pool(), recipe.holdout().validation
    sure = {sample_id: place / len(pool) for place, sample_id in enumerate(pool.ids)}

    logged = scores_of(trained(), pool, validation, recipe, Known(confidences=sure), seed=0)
    guessed = scores_of(trained(), pool, validation, recipe, Known(), seed=0)

    assert logged.argsort().tolist() == list(reversed(range(len(pool))))
    assert guessed.shape == logged.shape
    assert bool(torch.isfinite(guessed).all())


def test_a_trial_of_rum_ranks_by_what_the_training_noted_as_jobs_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, float]] = []

    def noting(*_: object, scores: dict[str, float], **__: object) -> None:
        told.append(scores)
        raise Diverged("enough")

    monkeypatch.setitem(METHODS, "rum", cast(Method, noting))
    scene = make_scene()
    noted = dict.fromkeys((*scene.split.retain.ids, *scene.split.forget.ids), 0.25)

    tried(replace(scene, known=Known(confidences=noted)), method="rum")

    assert told == [dict.fromkeys(scene.split.forget.ids, 0.75)]


def test_a_method_that_refuses_is_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise ValueError("it needs labels")

    monkeypatch.setitem(METHODS, "rum", cast(Method, refusing))

    facts = tried(make_scene(), method="rum").facts

    assert (facts["verdict"], facts["sentences"]) == ("impossible", ["it needs labels"])
