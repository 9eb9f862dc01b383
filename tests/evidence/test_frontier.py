import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import frontier, merkle
from app.evidence.frontier import Frontier, Node

MOST = 70
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(3000)]

STORED = dict(frontier.extend(Frontier(), LEAVES)[1])
batches = st.lists(st.integers(0, 300), max_size=8)
places = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))


@pytest.mark.parametrize("size", range(MOST + 1))
def test_a_tree_grown_leaf_by_leaf_has_the_root_of_the_whole(size: int) -> None:
    tree = Frontier()
    for leaf in LEAVES[:size]:
        tree, _ = frontier.extend(tree, [leaf])

    assert tree.root == merkle.root(LEAVES[:size])
    assert tree.size == size


@given(sizes=batches)
def test_batches_of_any_sizes_grow_the_same_tree(sizes: list[int]) -> None:
    tree = Frontier()
    for size in sizes:
        tree, _ = frontier.extend(tree, LEAVES[tree.size : tree.size + size])

    assert tree == frontier.extend(Frontier(), LEAVES[: sum(sizes)])[0]
    assert tree.root == merkle.root(LEAVES[: sum(sizes)])


@given(sizes=batches)
def test_each_complete_subtree_is_handed_out_once_and_when_it_is_full(sizes: list[int]) -> None:
    tree, stored = Frontier(), dict[Node, bytes]()
    for size in sizes:
        tree, completed = frontier.extend(tree, LEAVES[tree.size : tree.size + size])
        assert not stored.keys() & dict(completed).keys()
        stored.update(completed)

    full = {Node(level, offset) for level in range(12) for offset in range(tree.size >> level)}
    assert stored.keys() == full


@given(st.sampled_from(sorted(STORED)))
def test_a_stored_hash_is_the_root_of_the_leaves_under_it(node: Node) -> None:
    start = node.offset << node.level

    assert STORED[node] == merkle.root(LEAVES[start : start + (1 << node.level)])


@given(place=places)
def test_inclusion_proofs_from_stored_hashes_are_those_from_all_leaves(
    place: tuple[int, int],
) -> None:
    index, size = place
    ranges = merkle.inclusion_ranges(index, size)

    proof = frontier.proof(ranges, {node: STORED[node] for node in frontier.needed(ranges)})

    assert proof == merkle.inclusion_proof(LEAVES[:size], index)


@given(place=places)
def test_consistency_proofs_from_stored_hashes_are_those_from_all_leaves(
    place: tuple[int, int],
) -> None:
    first, size = place
    ranges = merkle.consistency_ranges(first, size)

    proof = frontier.proof(ranges, {node: STORED[node] for node in frontier.needed(ranges)})

    assert proof == merkle.consistency_proof(LEAVES[:size], first)


@given(place=places)
def test_a_proof_needs_only_subtrees_that_are_full_at_its_size(place: tuple[int, int]) -> None:
    index, size = place

    nodes = frontier.needed(merkle.inclusion_ranges(index, size))

    assert all((node.offset + 1) << node.level <= size for node in nodes)
    assert len(nodes) <= 2 * size.bit_length()


@given(size=st.integers(0, 3000))
def test_a_frontier_is_restored_from_the_store_and_goes_on(size: int) -> None:
    restored = frontier.restored(size, STORED)

    assert restored == frontier.extend(Frontier(), LEAVES[:size])[0]
    assert len(restored.hashes) == size.bit_count()


def test_a_missing_stored_hash_is_noticed() -> None:
    ranges = merkle.inclusion_ranges(5, 8)

    with pytest.raises(KeyError):
        frontier.proof(ranges, {Node(0, 4): LEAVES[4]})


def test_a_frontier_stays_what_it_was_when_it_is_extended() -> None:
    before = frontier.extend(Frontier(), LEAVES[:3])[0]
    root = before.root

    frontier.extend(before, LEAVES[3:9])

    assert before.root == root
