from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import merkle
from app.evidence.errors import VerificationFailed

# The eight inputs that RFC 6962 implementations have been compared by since Certificate
# Transparency began.
INPUTS = [
    bytes.fromhex(text) for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
] + [bytes(range(0x60, 0x70))]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
INCLUSION_5_IN_8 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
CONSISTENCY_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    *INCLUSION_5_IN_8[1:],
]

MOST = 70
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(MOST)]
ROOT = [merkle.root(LEAVES[:size]) for size in range(MOST + 1)]
VECTORS = [merkle.leaf_hash(data) for data in INPUTS]

pairs = st.integers(1, MOST).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n)))
growths = st.integers(2, MOST).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))
masks = st.integers(1, 2**256 - 1).map(lambda number: number.to_bytes(32))


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) as RFC 9162, section 2.1.3.1 writes it; the slow oracle."""
    if len(leaves) == 1:
        return []
    k = max(2**e for e in range(12) if 2**e < len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), merkle.root(leaves[k:])]
    return [*path(index - k, leaves[k:]), merkle.root(leaves[:k])]


def subproof(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) as RFC 9162, section 2.1.4.1 writes it; the slow oracle."""
    if first == len(leaves):
        return [] if whole else [merkle.root(leaves)]
    k = max(2**e for e in range(12) if 2**e < len(leaves))
    if first <= k:
        return [*subproof(first, leaves[:k], whole=whole), merkle.root(leaves[k:])]
    return [*subproof(first - k, leaves[k:], whole=False), merkle.root(leaves[:k])]


def xor(value: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(value, mask, strict=True))


def verify_growth(first: int, second: int, proof: Sequence[bytes]) -> None:
    merkle.verify_consistency(
        first_size=first,
        first_root=ROOT[first],
        second_size=second,
        second_root=ROOT[second],
        proof=proof,
    )


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_roots_are_those_of_the_known_vectors(size: int, root: str) -> None:
    assert merkle.root(VECTORS[:size]).hex() == root


def test_the_known_inclusion_proof_is_made_and_accepted() -> None:
    proof = merkle.inclusion_proof(VECTORS, 5)

    assert [value.hex() for value in proof] == INCLUSION_5_IN_8
    merkle.verify_inclusion(VECTORS[5], index=5, size=8, proof=proof, root=bytes.fromhex(ROOTS[8]))


def test_the_known_consistency_proof_is_made_and_accepted() -> None:
    proof = merkle.consistency_proof(VECTORS, 6)

    assert [value.hex() for value in proof] == CONSISTENCY_6_TO_8
    merkle.verify_consistency(
        first_size=6,
        first_root=merkle.root(VECTORS[:6]),
        second_size=8,
        second_root=bytes.fromhex(ROOTS[8]),
        proof=proof,
    )


def test_leaves_and_nodes_are_hashed_apart() -> None:
    # printf '\x00hello' | sha256sum
    assert merkle.leaf_hash(b"hello").hex() == (
        "8a2a5c9b768827de5a9552c38a044c66959c68f6d2f21b5260af54d2f87db827"
    )
    assert merkle.leaf_hash(LEAVES[0] + LEAVES[1]) != merkle.node_hash(LEAVES[0], LEAVES[1])


def test_an_odd_leaf_is_never_counted_twice() -> None:
    assert merkle.root(LEAVES[:3]) != merkle.root([*LEAVES[:3], LEAVES[2]])


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_leaf_of_every_small_tree_is_proved_as_the_rfc_says(size: int) -> None:
    for index in range(size):
        proof = merkle.inclusion_proof(LEAVES[:size], index)

        assert proof == path(index, LEAVES[:size])
        merkle.verify_inclusion(LEAVES[index], index=index, size=size, proof=proof, root=ROOT[size])


@pytest.mark.parametrize("second", range(MOST + 1))
def test_every_growth_of_every_small_tree_is_proved_as_the_rfc_says(second: int) -> None:
    for first in range(second + 1):
        proof = merkle.consistency_proof(LEAVES[:second], first)

        if first > 0:
            assert proof == subproof(first, LEAVES[:second], whole=True)
        verify_growth(first, second, proof)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_no_leaf_is_found_at_another_index(size: int) -> None:
    for index in range(size):
        proof = merkle.inclusion_proof(LEAVES[:size], index)
        for other in {*range(size)} - {index}:
            with pytest.raises(VerificationFailed):
                merkle.verify_inclusion(
                    LEAVES[index], index=other, size=size, proof=proof, root=ROOT[size]
                )


@given(place=pairs, mask=masks, data=st.data())
def test_an_inclusion_proof_with_anything_changed_fails(
    place: tuple[int, int], mask: bytes, data: st.DataObject
) -> None:
    index, size = place
    proof = merkle.inclusion_proof(LEAVES[:size], index)
    parts = [LEAVES[index], ROOT[size], *proof]
    changed = data.draw(st.integers(0, len(parts) - 1))
    parts[changed] = xor(parts[changed], mask)

    with pytest.raises(VerificationFailed, match="not in the tree"):
        merkle.verify_inclusion(parts[0], index=index, size=size, proof=parts[2:], root=parts[1])


@given(place=pairs, extra=masks, data=st.data())
def test_an_inclusion_proof_of_another_length_fails(
    place: tuple[int, int], extra: bytes, data: st.DataObject
) -> None:
    index, size = place
    proof = merkle.inclusion_proof(LEAVES[:size], index)
    cut = data.draw(st.integers(0, len(proof)))
    wrong = {"too long": [*proof[:cut], extra, *proof[cut:]]}
    if cut < len(proof):
        wrong["too short"] = proof[:cut] + proof[cut + 1 :]

    for words, other in wrong.items():
        with pytest.raises(VerificationFailed, match=words):
            merkle.verify_inclusion(
                LEAVES[index], index=index, size=size, proof=other, root=ROOT[size]
            )


@given(growth=growths, mask=masks, data=st.data())
def test_a_consistency_proof_with_anything_changed_fails(
    growth: tuple[int, int], mask: bytes, data: st.DataObject
) -> None:
    first, second = growth
    parts = [ROOT[first], ROOT[second], *merkle.consistency_proof(LEAVES[:second], first)]
    changed = data.draw(st.integers(0, len(parts) - 1))
    parts[changed] = xor(parts[changed], mask)

    with pytest.raises(VerificationFailed, match="does not extend"):
        merkle.verify_consistency(
            first_size=first,
            first_root=parts[0],
            second_size=second,
            second_root=parts[1],
            proof=parts[2:],
        )


@given(growth=growths, extra=masks, data=st.data())
def test_a_consistency_proof_of_another_length_fails(
    growth: tuple[int, int], extra: bytes, data: st.DataObject
) -> None:
    first, second = growth
    proof = merkle.consistency_proof(LEAVES[:second], first)
    cut = data.draw(st.integers(0, len(proof) - 1))

    with pytest.raises(VerificationFailed, match="too long"):
        verify_growth(first, second, [*proof[:cut], extra, *proof[cut:]])
    with pytest.raises(VerificationFailed, match="too short"):
        verify_growth(first, second, proof[:cut] + proof[cut + 1 :])


@given(growth=growths, data=st.data())
def test_a_log_that_rewrote_an_entry_cannot_prove_that_it_only_grew(
    growth: tuple[int, int], data: st.DataObject
) -> None:
    first, second = growth
    rewritten = data.draw(st.integers(0, first - 1))
    forked = LEAVES[:second]
    forked[rewritten] = merkle.leaf_hash(b"something else")

    for history in [LEAVES[:second], forked]:
        with pytest.raises(VerificationFailed, match="history was rewritten"):
            merkle.verify_consistency(
                first_size=first,
                first_root=ROOT[first],
                second_size=second,
                second_root=merkle.root(forked),
                proof=merkle.consistency_proof(history, first),
            )


def test_two_trees_of_one_size_are_consistent_only_if_they_are_one() -> None:
    verify_growth(5, 5, [])

    with pytest.raises(VerificationFailed, match="forked"):
        merkle.verify_consistency(
            first_size=5, first_root=ROOT[5], second_size=5, second_root=ROOT[6], proof=[]
        )


@pytest.mark.parametrize(
    ("first", "second", "proof", "words"),
    [
        (0, 5, [LEAVES[0]], "too long"),
        (5, 5, [LEAVES[0]], "too long"),
        (3, 5, [], "too short"),
        (4, 5, [], "too short"),
        (6, 5, [], "cannot extend"),
        (3, 5, [b"short"], "32 bytes"),
    ],
)
def test_proofs_that_fit_no_pair_of_trees_are_refused(
    first: int, second: int, proof: list[bytes], words: str
) -> None:
    with pytest.raises(VerificationFailed, match=words):
        verify_growth(first, second, proof)


def test_only_the_empty_root_is_the_root_of_an_empty_tree() -> None:
    with pytest.raises(VerificationFailed, match="empty tree"):
        merkle.verify_consistency(
            first_size=0, first_root=ROOT[1], second_size=5, second_root=ROOT[5], proof=[]
        )


@pytest.mark.parametrize("index", [-1, 5, 2**64])
def test_indices_outside_the_tree_are_refused(index: int) -> None:
    with pytest.raises(VerificationFailed, match="has none at"):
        merkle.verify_inclusion(LEAVES[0], index=index, size=5, proof=[], root=ROOT[5])
    with pytest.raises(IndexError, match="has none at"):
        merkle.inclusion_ranges(index, 5)


def test_a_hash_of_another_length_cannot_lend_its_bytes_to_its_neighbour() -> None:
    leaf, sibling = LEAVES[0], LEAVES[1]
    shifted = merkle.node_hash(leaf + sibling[:1], sibling[1:])

    assert shifted == merkle.root(LEAVES[:2])
    with pytest.raises(VerificationFailed, match="32 bytes"):
        merkle.verify_inclusion(
            leaf + sibling[:1], index=0, size=2, proof=[sibling[1:]], root=ROOT[2]
        )


def test_a_shrunken_tree_has_no_consistency_proof() -> None:
    with pytest.raises(IndexError, match="does not extend"):
        merkle.consistency_ranges(6, 5)
