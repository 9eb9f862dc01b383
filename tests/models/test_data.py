from collections.abc import Iterable
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.data import (
    Batch,
    Samples,
    endless_row_batches,
    even_row_batches,
    leaves,
    map_batch,
    row_batches,
)


def batch_of(shape: str, count: int) -> Batch:
    """The same numbers as a tensor, a tuple or a mapping; sample i holds i everywhere."""
    numbers = torch.arange(count)
    if shape == "tensor":
        return numbers
    if shape == "tuple":
        return numbers, numbers.float().unsqueeze(1)
    return {"tokens": numbers.repeat(3, 1).T, "labels": numbers}


def make_samples(count: int, *, shape: str = "tuple") -> Samples:
    return Samples(
        ids=tuple(f"s{place}" for place in range(count)),
        batch=batch_of(shape, count),
        strata=torch.arange(count) % 3,
        subjects=tuple(f"p{place // 2}" for place in range(count)),
        groups=tuple(f"g{place % 3}" for place in range(count)),
    )


def numbers_in(batches: Iterable[Batch]) -> list[list[int]]:
    """The numbers in the first column of every tensor of every batch, which must agree."""
    found = []
    for batch in batches:
        columns = [leaf.reshape(len(leaf), -1)[:, 0].long().tolist() for leaf in leaves(batch)]
        assert all(column == columns[0] for column in columns)
        found.append(columns[0])
    return found


shapes = pytest.mark.parametrize("shape", ["tensor", "tuple", "mapping"])


@shapes
def test_taking_places_keeps_every_part_of_a_sample_together(shape: str) -> None:
    samples = make_samples(6, shape=shape)

    taken = samples.take(torch.tensor([4, 0, 4]))

    assert taken.ids == ("s4", "s0", "s4")
    assert taken.subjects == ("p2", "p0", "p2")
    assert taken.groups == ("g1", "g0", "g1")
    assert taken.strata.tolist() == [1, 0, 1]
    assert numbers_in([taken.batch]) == [[4, 0, 4]]


@shapes
def test_a_mask_takes_the_samples_it_marks_in_their_order(shape: str) -> None:
    samples = make_samples(4, shape=shape)

    taken = samples.take(torch.tensor([True, False, False, True]))

    assert taken.ids == ("s0", "s3")
    assert numbers_in([taken.batch]) == [[0, 3]]


def test_nothing_can_be_taken() -> None:
    samples = make_samples(4)

    nothing = samples.take(torch.zeros(4, dtype=torch.bool))

    assert len(nothing) == 0
    assert nothing.subjects == ()


def test_samples_are_found_by_their_names_in_the_order_asked_for() -> None:
    samples = make_samples(5)

    named = samples.named(["s3", "s1"])

    assert named.ids == ("s3", "s1")
    assert numbers_in([named.batch]) == [[3, 1]]


def test_names_that_are_unknown_are_refused_and_counted() -> None:
    samples = make_samples(5)

    with pytest.raises(ValueError, match="2 ids are not among these samples, 'x' first"):
        samples.named(["s3", "x", "y"])


@shapes
def test_a_pass_without_a_generator_keeps_the_order(shape: str) -> None:
    samples = make_samples(5, shape=shape)

    assert numbers_in(samples.batches(2)) == [[0, 1], [2, 3], [4]]


def test_a_pass_is_shuffled_alike_under_one_seed() -> None:
    samples = make_samples(50)

    first, second, other = (
        numbers_in(samples.batches(8, generator=torch.Generator().manual_seed(seed)))
        for seed in (0, 0, 1)
    )

    assert first == second
    assert first != other
    assert sorted(chain(*first)) == list(range(50))


def test_a_batch_of_chosen_rows_has_the_shape_of_the_whole() -> None:
    samples = make_samples(5, shape="mapping")

    batch = samples.rows(torch.tensor([2, 4]))

    assert isinstance(batch, dict)
    assert list(batch) == ["tokens", "labels"]
    assert numbers_in([batch]) == [[2, 4]]


def test_parts_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Samples(ids=("a", "b"), batch=torch.zeros(3), strata=torch.zeros(2))


def test_a_subject_is_named_for_every_sample_or_for_none() -> None:
    with pytest.raises(ValueError, match="1 subjects for 2 samples"):
        Samples(ids=("a", "b"), batch=torch.zeros(2), strata=torch.zeros(2), subjects=("p",))


@given(count=st.integers(0, 60), size=st.integers(1, 70), seed=st.none() | st.integers(0, 9))
def test_a_pass_visits_every_place_once(count: int, size: int, seed: int | None) -> None:
    generator = None if seed is None else torch.Generator().manual_seed(seed)

    pieces = [rows.tolist() for rows in row_batches(count, size, generator=generator)]

    assert sorted(chain(*pieces)) == list(range(count))
    assert all(len(piece) <= size for piece in pieces)


@given(count=st.integers(1, 60), size=st.integers(1, 70))
def test_an_even_pass_visits_every_place_once_and_has_no_leftover(count: int, size: int) -> None:
    generator = torch.Generator().manual_seed(0)

    pieces = [rows.tolist() for rows in even_row_batches(count, size, generator=generator)]

    lengths = [len(piece) for piece in pieces]
    assert sorted(chain(*pieces)) == list(range(count))
    assert len(pieces) == -(-count // size)
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_nothing_cannot_be_passed_over_without_end() -> None:
    pieces = endless_row_batches(0, 4, generator=torch.Generator())

    with pytest.raises(ValueError, match="nothing"):
        next(pieces)


def test_endless_passes_are_each_complete_and_freshly_shuffled() -> None:
    pieces = endless_row_batches(10, 4, generator=torch.Generator().manual_seed(0))

    first, second = (torch.cat([next(pieces) for _ in range(3)]).tolist() for _ in range(2))

    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@shapes
def test_a_function_reaches_every_tensor_of_a_batch(shape: str) -> None:
    def doubled(leaf: Tensor) -> Tensor:
        return 2 * leaf

    assert numbers_in([map_batch(doubled, batch_of(shape, 3))]) == [[0, 2, 4]]
