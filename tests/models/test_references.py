import copy

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from models.progress import silent
from models.references import (
    Plan,
    Reference,
    Table,
    memorization,
    plans,
    scored,
    table,
    targets,
    trained,
)
from models.training import evaluate
from models.unlearning.targets import Aim, scaled
from tests.models.blobs import make_split, recipe, same_state
from tests.models.blobs import trained as parent

PEOPLE = [f"person-{place % 32}" for place in range(128)]


def made(losses: list[list[float]], left_out: list[list[bool]]) -> Table:
    """A table of so many references over samples a, b, c, …"""
    rows = [
        Reference(torch.tensor(values), torch.tensor(out), torch.empty(0))
        for values, out in zip(losses, left_out, strict=True)
    ]
    return Table(tuple("abcdefgh"[: len(losses[0])]), tuple(rows))


def confidence(losses: Tensor) -> Tensor:
    return scaled(Aim.CONFIDENCE, losses)


@given(
    owners=st.lists(st.sampled_from("pqrstuv") | st.none(), min_size=8, max_size=40),
    parts=st.integers(2, 4),
    rounds=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_each_person_is_left_out_as_a_whole_and_equally_often(
    owners: list[str | None], parts: int, rounds: int, seed: int
) -> None:
    people = len({owner for owner in owners if owner} | {i for i, o in enumerate(owners) if not o})
    assume(people >= parts)
    drawn = plans(owners, parts=parts, rounds=rounds, seed=seed)

    out = torch.stack([plan.left_out for plan in drawn])

    assert len(drawn) == parts * rounds
    assert out.sum(dim=0).tolist() == [rounds] * len(owners)
    for owner in filter(None, set(owners)):
        theirs = out[:, [place for place, other in enumerate(owners) if other == owner]]
        assert (theirs == theirs[:, :1]).all()


def test_parts_differ_by_one_person_at_most() -> None:
    drawn = plans([f"p{number}" for number in range(10)], parts=4, rounds=3, seed=0)

    sizes = [int(plan.left_out.sum()) for plan in drawn]

    assert sorted(sizes[:4]) == sorted(sizes[4:8]) == [2, 2, 3, 3]


def test_one_seed_deals_one_way_and_another_seed_another() -> None:
    first, again, other = (plans(PEOPLE, parts=2, rounds=1, seed=seed) for seed in (0, 0, 1))

    assert torch.equal(first[0].left_out, again[0].left_out)
    assert not torch.equal(first[0].left_out, other[0].left_out)
    assert len({plan.seed for plan in first}) == 2


def test_fewer_people_than_parts_cannot_be_dealt() -> None:
    with pytest.raises(ValueError, match="1 subjects cannot be dealt into 2 parts"):
        plans(["same"] * 5, parts=2, rounds=1, seed=0)


def test_a_reference_never_saw_whom_it_left_out() -> None:
    pool, validation = recipe.pool(), recipe.holdout().validation
    plan = plans(PEOPLE, parts=2, rounds=1, seed=0)[0]

    network = trained(recipe, pool, plan, silent)
    one = scored(network, recipe, pool, plan, validation)

    # What was left out is as foreign to it as validation samples are; the rest it knows.
    unseen, seen = one.losses[plan.left_out].mean(), one.losses[~plan.left_out].mean()
    assert unseen == pytest.approx(float(one.unseen.mean()), rel=0.35)
    assert seen < 0.3 * unseen


def test_training_references_leaves_no_network_behind_and_tells_how_far_it_is() -> None:
    told: list[tuple[float, str]] = []
    before = copy.deepcopy(parent())

    made_table = table(
        recipe,
        recipe.pool(),
        recipe.holdout().validation,
        plans(PEOPLE, parts=2, rounds=1, seed=0),
        lambda share, words: told.append((share, words)),
    )

    assert same_state(parent(), before)
    assert made_table.losses.shape == made_table.left_out.shape == (2, 128)
    assert all(isinstance(value, Tensor) for value in vars(made_table.references[0]).values())
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert "reference 2 of 2" in told[-1][1]


def test_a_target_is_averaged_where_it_is_nearly_normal_over_those_who_did_not_see() -> None:
    of_two = made([[0.1, 9.0, 0.5], [2.0, 9.0, 0.5]], [[True, True, False], [True, False, False]])

    wanted = targets(of_two)

    middle = scaled(Aim.CONFIDENCE, torch.tensor([0.1, 2.0])).mean()
    assert scaled(Aim.CONFIDENCE, wanted[:1]).item() == pytest.approx(float(middle), abs=1e-4)
    assert wanted[1].item() == pytest.approx(9.0, abs=1e-3)
    assert torch.isnan(wanted[2])


def test_memorization_is_what_seeing_a_sample_takes_off_its_value() -> None:
    of_two = made([[0.01, 0.3, 5.0], [3.0, 0.3, 5.0]], [[False, False, True], [True, True, True]])

    learnt = memorization(of_two)

    assert learnt[0] > 4
    assert learnt[1] == 0
    assert torch.isnan(learnt[2])


def test_targets_of_seen_samples_are_those_of_a_network_without_them() -> None:
    split, pool = make_split(), recipe.pool()
    drawn = plans([None] * len(pool), parts=4, rounds=2, seed=0)
    known = table(recipe, pool, split.validation, drawn, silent).of(split.forget.ids)
    forgotten = torch.arange(len(pool)) < len(split.forget)
    retrained = [trained(recipe, pool, Plan(0, seed, forgotten), silent) for seed in range(90, 94)]

    truth = torch.stack([confidence(evaluate(n, split.forget, recipe.losses)) for n in retrained])
    now = confidence(evaluate(parent(), split.forget, recipe.losses))

    off, off_before = (
        (value - truth.mean(dim=0)).abs().mean() for value in (confidence(targets(known)), now)
    )
    assert off < 0.65 * off_before


def test_a_persons_columns_go_with_the_person() -> None:
    known = made([[1.0, 2.0, 3.0]], [[True, False, True]])

    left = known.without({"b"})

    assert left.ids == ("a", "c")
    assert left.losses.tolist() == [[1.0, 3.0]]
    assert left.of(["c", "a"]).losses.tolist() == [[3.0, 1.0]]
    with pytest.raises(ValueError, match="1 samples have no row, 'b' first"):
        left.of(["a", "b"])


def test_scores_that_are_not_one_per_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="one per sample"):
        Table(("a", "b"), made([[1.0]], [[True]]).references)


def test_densities_have_memorization_too() -> None:
    out = torch.tensor([[True, False], [False, True]])
    rows = [
        Reference(losses, left_out, torch.zeros(1))
        for losses, left_out in zip(torch.tensor([[-1.0, -9.0], [-8.0, -8.5]]), out, strict=True)
    ]

    assert memorization(Table(("a", "b"), tuple(rows))).tolist() == [7.0, 0.5]
