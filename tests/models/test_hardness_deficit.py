from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.data import Samples, Split
from models.hardness.deficit import deficit, matched_targets
from models.hardness.record import Shares, TargetRule
from models.hardness.shares import shares, vanishing


def make_samples(strata: list[int], *, name: str = "s") -> Samples:
    ids = tuple(f"{name}{place}" for place in range(len(strata)))
    return Samples(ids, torch.zeros(len(strata)), torch.tensor(strata, dtype=torch.int64))


def measured(losses: list[float], **changed: Any) -> Any:
    """The deficit of samples of strata 0 and 1, whose held-out losses are 1 to 3 and 5 to 7."""
    arguments = {
        "validation": make_samples([0, 0, 0, 1, 1, 1]),
        "held_out": torch.tensor([1.0, 2.0, 3.0, 5.0, 6.0, 7.0]),
        **changed,
    }
    return deficit(make_samples([0, 1, 0, 1][: len(losses)]), torch.tensor(losses), **arguments)


def test_without_references_the_target_is_the_held_out_loss_of_the_stratum() -> None:
    owed = measured([0.5, 7.0])

    assert owed.rule is TargetRule.MATCHED
    assert owed.mean == pytest.approx(((2 - 0.5) + (6 - 7)) / 2)
    assert owed.owed == pytest.approx((2 - 0.5) / 2)
    assert owed.positive == 0.5
    assert (owed.spread, owed.exposed) == (None, None)


def test_a_stratum_without_held_out_samples_takes_the_mean_of_all() -> None:
    targets, _ = matched_targets(make_samples([2]), make_samples([0, 1]), torch.tensor([1.0, 5.0]))

    assert targets.tolist() == [3.0]


def test_the_standard_error_counts_forget_and_held_out_samples() -> None:
    owed = measured([0.0, 0.0])

    # Deficits 2 and 6 vary by 8 over two samples; each target's mean by 1/3, at half the weight.
    assert owed.error == pytest.approx((8 / 2 + 2 * 0.25 / 3) ** 0.5)


def test_a_memorized_sample_seems_to_owe_nothing_until_references_tell() -> None:
    loss = [2.5]  # fitted worse than its stratum, and still far better than unseen

    blind = measured(loss)
    told = measured(loss, targets=torch.tensor([9.0]))

    assert blind.mean < 0
    assert told.mean == pytest.approx(6.5)
    assert told.rule is TargetRule.REFERENCE


def test_a_sample_that_no_reference_left_out_makes_the_whole_matched() -> None:
    owed = measured([0.0, 0.0], targets=torch.tensor([9.0, torch.nan]))

    assert owed.rule is TargetRule.MATCHED
    assert owed.mean == pytest.approx((9 + 6) / 2)


def test_the_references_spread_gives_the_band() -> None:
    owed = measured(
        [0.0, 0.0, 0.0, 0.0],
        targets=torch.tensor([0.5, 1.5, 2.5, 3.5]),
        spread=torch.ones(4),
    )

    assert owed.spread == pytest.approx(2 / 4)
    assert owed.exposed == 0.5  # the two that owe more than twice their spread


@given(st.lists(st.floats(0, 20), min_size=1, max_size=4), st.floats(-5, 5))
def test_raising_every_loss_lowers_the_mean_deficit_by_as_much(
    losses: list[float], more: float
) -> None:
    before, after = measured(losses), measured([loss + more for loss in losses])

    assert after.mean == pytest.approx(before.mean - more, abs=1e-4)
    assert after.owed >= 0


@pytest.mark.parametrize(
    ("losses", "changed", "message"),
    [
        pytest.param([], {}, "no forget samples", id="nothing to forget"),
        pytest.param([torch.nan], {}, "forget loss is not finite", id="NaN"),
        pytest.param(
            [1.0], {"held_out": torch.full((6,), torch.inf)}, "held-out loss", id="infinite"
        ),
        pytest.param(
            [1.0],
            {"validation": make_samples([]), "held_out": torch.empty(0)},
            "no held-out samples",
            id="no way to a target",
        ),
        pytest.param([1.0], {"targets": torch.ones(2)}, "targets has shape", id="other length"),
    ],
)
def test_bad_input_is_refused(
    losses: list[float], changed: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measured(losses, **changed)


def test_references_do_without_held_out_samples() -> None:
    owed = measured(
        [1.0],
        validation=make_samples([]),
        held_out=torch.empty(0),
        targets=torch.tensor([2.0]),
    )

    assert owed.mean == 1.0


def test_shares_count_the_affected_strata_only() -> None:
    split = Split(make_samples([3, 3, 7]), make_samples([3, 3, 3, 3, 3, 3, 5]), make_samples([3]))

    counted = shares(split)

    assert counted == Shares(
        count=3, total=0.3, strata={"3": 0.25, "7": 1.0}, left={"3": 6, "7": 0}, comparable=0.0
    )
    assert vanishing(counted) == ["7"]


@pytest.mark.parametrize(
    ("retain", "validation", "share"),
    [
        pytest.param([3, 3, 7], [3, 3, 7, 7], 1.0, id="all can be compared"),
        pytest.param([3, 3, 7], [3, 3, 7], 2 / 3, id="one unseen sample of a stratum is too few"),
        pytest.param([3, 7], [3, 3, 7, 7], 1 / 3, id="a stratum loses more than it keeps"),
        pytest.param([3, 3, 7], [], 0.0, id="nothing was held out"),
    ],
)
def test_an_audit_can_compare_what_has_unseen_and_kept_samples_of_its_stratum(
    retain: list[int], validation: list[int], share: float
) -> None:
    split = Split(make_samples([3, 3, 7]), make_samples(retain), make_samples(validation))

    assert shares(split).comparable == pytest.approx(share)


def test_an_empty_forget_set_has_no_share() -> None:
    with pytest.raises(ValueError, match="forget set is empty"):
        shares(Split(make_samples([]), make_samples([1]), make_samples([1])))


def test_a_spread_that_nobody_knows_is_none() -> None:
    targets, unknown = torch.tensor([5.0, 5.0]), torch.full((2,), torch.nan)

    found = measured([0.1, 0.2], targets=targets, spread=unknown)

    assert (found.spread, found.exposed) == (None, None)
    assert found.mean > 4
