import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.auditing.attacks import logit_confidence, mid_ranks
from models.auditing.intervals import Floats
from models.auditing.reference_attacks import (
    UNTUNED,
    Witnesses,
    beyond_all,
    corrected,
    degree,
    lira,
    rmia,
    tuned_a,
)

HARDNESS = 2.0


def losses_of(confidence: Floats) -> Floats:
    """The losses whose scaled confidence this is."""
    return np.logaddexp(0, -confidence)


def toy(
    references: int, members: int = 300, unseen: int = 600, *, gain: float = 1.5, seed: int = 0
) -> tuple[Floats, Witnesses, Floats, Witnesses]:
    """Samples of different hardness, of which the first `members` were trained on."""
    chance = np.random.default_rng(seed)
    hard, other = chance.normal(0, HARDNESS, members), chance.normal(0, HARDNESS, unseen)
    return (
        losses_of(hard + gain + chance.normal(size=members)),
        Witnesses.of_unseen(losses_of(hard + chance.normal(size=(references, members)))),
        losses_of(other + chance.normal(size=unseen)),
        Witnesses.of_unseen(losses_of(other + chance.normal(size=(references, unseen)))),
    )


def auc(members: Floats, unseen: Floats) -> float:
    ranks = mid_ranks(np.concatenate([members, unseen]))[: len(members)]
    return float((ranks.mean() - (len(members) + 1) / 2) / len(unseen))


@pytest.mark.parametrize("references", [2, 8])
def test_attacks_with_references_see_what_the_loss_alone_hides_behind_hardness(
    references: int,
) -> None:
    losses, witnesses, unseen, theirs = toy(references)

    by_loss = auc(-losses, -unseen)
    by_rmia = auc(
        rmia(losses, witnesses, unseen, theirs, a=1.0), rmia(unseen, theirs, unseen, theirs, a=1.0)
    )
    by_lira = auc(lira(losses, witnesses), lira(unseen, theirs))

    assert by_loss < 0.75
    assert by_rmia > by_loss + 0.03
    assert by_lira > by_loss + 0.03


def test_what_was_pushed_too_far_scores_below_what_was_never_seen() -> None:
    losses, witnesses, unseen, theirs = toy(4, gain=-3.0)

    found = rmia(losses, witnesses, unseen, theirs, a=1.0)

    assert auc(found, rmia(unseen, theirs, unseen, theirs, a=1.0)) < 0.2
    assert auc(lira(losses, witnesses), lira(unseen, theirs)) < 0.2


def test_a_true_null_gives_an_auc_of_one_half() -> None:
    losses, witnesses, unseen, theirs = toy(4, gain=0.0, members=1500, unseen=1500)

    assert auc(lira(losses, witnesses), lira(unseen, theirs)) == pytest.approx(0.5, abs=0.03)
    scores = rmia(losses, witnesses, unseen, theirs), rmia(unseen, theirs, unseen, theirs)
    assert auc(*scores) == pytest.approx(0.5, abs=0.03)


def test_the_ratio_of_rmia_is_counted_against_every_population_sample() -> None:
    losses, witnesses, unseen, theirs = toy(3, members=5, unseen=20)

    found = rmia(losses, witnesses, unseen, theirs, a=0.4, gamma=1.5)

    ours = np.exp(-losses) / corrected(witnesses, 0.4)
    others = np.exp(-unseen) / corrected(theirs, 0.4)
    slow = [np.mean([one / other >= 1.5 for other in others]) for one in ours]
    np.testing.assert_allclose(found, slow)


def test_the_correction_is_none_at_one_and_half_way_to_certainty_at_nought() -> None:
    witnesses = Witnesses.of_unseen(np.full((2, 3), np.log(4.0)))  # a confidence of a quarter

    np.testing.assert_allclose(corrected(witnesses, 1.0), 0.25)
    np.testing.assert_allclose(corrected(witnesses, 0.0), 0.625)


def test_only_references_that_never_saw_a_sample_speak_of_it() -> None:
    losses = np.array([[1.0, 9.0], [9.0, 2.0]])
    witnesses = Witnesses(losses, np.array([[True, False], [False, True]]))

    np.testing.assert_allclose(witnesses.mean(losses), [1.0, 2.0])
    with pytest.raises(ValueError, match="no witness"):
        Witnesses(losses, np.array([[True, False], [True, False]]))


def test_a_is_tuned_on_references_alone_and_attacks_no_worse_than_the_default() -> None:
    chance = np.random.default_rng(1)
    hard = chance.normal(0, HARDNESS, 400)
    saw = np.arange(400)[None, :] % 4 == np.arange(4)[:, None]
    values = hard + 2.5 * saw + chance.normal(size=(4, 400))
    witnesses = Witnesses(losses_of(values), ~saw)
    other = chance.normal(0, HARDNESS, 400)
    theirs = Witnesses.of_unseen(losses_of(other + chance.normal(size=(4, 400))))

    a = tuned_a(witnesses, theirs)

    served = losses_of(hard + 2.5 + chance.normal(size=400))
    unseen = losses_of(other + chance.normal(size=400))

    def found(a: float) -> float:
        return auc(
            rmia(served, witnesses, unseen, theirs, a=a), rmia(unseen, theirs, unseen, theirs, a=a)
        )

    assert 0 <= a <= 1
    assert found(a) >= found(UNTUNED) - 0.01


def test_without_references_that_saw_something_a_is_left_as_it_is() -> None:
    _, witnesses, _, theirs = toy(3)

    assert tuned_a(witnesses, theirs) == UNTUNED


def test_one_reference_takes_the_variance_of_all_and_many_take_each_their_own() -> None:
    losses, one, _, _ = toy(1)
    _, many, _, _ = toy(200)

    alone = lira(losses, one)
    own = lira(losses, many)

    np.testing.assert_allclose(
        alone, logit_confidence(losses) - logit_confidence(one.losses[0]), rtol=1e-9
    )
    values = logit_confidence(many.losses)
    plain = (logit_confidence(losses) - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    np.testing.assert_allclose(own, plain, rtol=0.1, atol=0.05)


def test_shrinking_beats_a_variance_of_its_own_where_references_are_few() -> None:
    """TPR at an FPR of 1 %, as in the notes' simulation: below four references it is worse."""
    losses, witnesses, unseen, theirs = toy(3, members=2000, unseen=4000, gain=2.0, seed=3)

    def found(freedom: float) -> float:
        never = lira(unseen, theirs, prior_freedom=freedom)
        caught = lira(losses, witnesses, prior_freedom=freedom)
        return float((caught > np.quantile(never, 0.99)).mean())

    assert found(4.0) > found(1e-9)


def test_the_degree_is_one_before_nought_as_unseen_and_negative_beyond() -> None:
    witnesses = Witnesses.of_unseen(losses_of(np.array([[0.0, 0.1], [0.1, 0.0]])))
    before = losses_of(np.array([4.05, 0.05]))

    assert degree(before, before, witnesses)[0] == pytest.approx(1.0)
    assert degree(before, losses_of(np.array([0.05, 0.05])), witnesses)[0] == pytest.approx(0.0)
    assert degree(before, losses_of(np.array([2.05, 0.05])), witnesses)[0] == pytest.approx(0.5)
    assert degree(before, losses_of(np.array([-3.95, 0.05])), witnesses)[0] < -0.9
    assert np.isnan(degree(before, before, witnesses)[1])  # nothing was remembered


@given(st.integers(1, 9))
def test_a_network_like_the_references_is_beyond_all_of_them_once_in_one_more(count: int) -> None:
    chance = np.random.default_rng(count)
    values = chance.normal(size=(count + 1, 4000))

    flagged = beyond_all(values[0] + 5, Witnesses.of_unseen(values[1:] + 5))

    assert flagged.mean() == pytest.approx(1 / (count + 1), abs=0.035)
