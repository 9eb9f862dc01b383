"""Merkle tree hashes, inclusion proofs and consistency proofs (RFC 9162, section 2.1; SHA-256).

The tree of RFC 6962, which hashes the same. Everything works on leaf hashes. A proof is a list of
subtree roots, and each subtree is named by the range of leaves under it, so the recipes for proofs
(`inclusion_ranges`, `consistency_ranges`) serve leaves in memory and stored hashes alike.
"""

from collections.abc import Sequence
from hashlib import sha256

from app.evidence.errors import VerificationFailed
from app.evidence.strict import HASH_SIZE

EMPTY_ROOT = sha256(b"").digest()

# Leaves start to end - 1. Every range here is a subtree that the recursion of section 2.1.1 meets.
Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """HASH(0x00 || data), section 2.1.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """HASH(0x01 || left || right), section 2.1.1."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two smaller than a size of at least 2: k of section 2.1.1."""
    return 1 << ((size - 1).bit_length() - 1)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of these leaves, section 2.1.1; re-hashes all of them."""
    if not leaf_hashes:
        return EMPTY_ROOT
    if len(leaf_hashes) == 1:
        return leaf_hashes[0]
    middle = split(len(leaf_hashes))
    return node_hash(root(leaf_hashes[:middle]), root(leaf_hashes[middle:]))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots prove a leaf in a tree of this size, leaf to root (2.1.3.1).

    IndexError if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"a tree of {size} leaves has none at {index}")
    start, end, ranges = 0, size, list[Range]()
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The subtrees whose roots prove that a tree of `second` leaves extends its first `first`.

    Section 2.1.4.1. None for an empty first tree or equal sizes: there the roots say it all.
    IndexError unless 0 <= first <= second.
    """
    if not 0 <= first <= second:
        raise IndexError(f"a tree of {second} leaves does not extend one of {first}")
    if first in (0, second):
        return []
    start, end, ranges = 0, second, list[Range]()
    while end != first:
        middle = start + split(end - start)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    # The verifier has the first root itself, so a subtree that is the whole first tree is left out.
    own = [(start, end)] if start > 0 else []
    return own + ranges[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, leaves), section 2.1.3.1; re-hashes all leaves."""
    ranges = inclusion_ranges(index, len(leaf_hashes))
    return [root(leaf_hashes[start:end]) for start, end in ranges]


def consistency_proof(leaf_hashes: Sequence[bytes], first: int) -> list[bytes]:
    """PROOF(first, leaves), section 2.1.4.1; re-hashes all leaves."""
    ranges = consistency_ranges(first, len(leaf_hashes))
    return [root(leaf_hashes[start:end]) for start, end in ranges]


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Fail unless the leaf hash stands at this index of the tree with this root (2.1.3.2)."""
    if not 0 <= index < size:
        raise VerificationFailed(f"a tree of {size} leaves has none at {index}")
    refuse_odd_hashes(leaf, root, *proof)
    fn, sn, found = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise VerificationFailed("the inclusion proof is too long for the tree")
        if fn & 1 or fn == sn:
            found = node_hash(sibling, found)
            fn, sn = skip_levels_without_sibling(fn, sn)
        else:
            found = node_hash(found, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise VerificationFailed("the inclusion proof is too short for the tree")
    if found != root:
        raise VerificationFailed("the entry is not in the tree at this index")


def verify_consistency(
    *,
    first_size: int,
    first_root: bytes,
    second_size: int,
    second_root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Fail unless the second tree begins with all leaves of the first (2.1.4.2).

    The section leaves two sizes out: equal ones, where the roots must be equal, and an empty first
    tree, which every tree extends. In both the proof is empty.
    """
    if not 0 <= first_size <= second_size:
        raise VerificationFailed(
            f"a tree of {second_size} leaves cannot extend one of {first_size}"
        )
    refuse_odd_hashes(first_root, second_root, *proof)
    if first_size == 0 and first_root != EMPTY_ROOT:
        raise VerificationFailed("the root of the empty tree is wrong")
    if first_size in (0, second_size):
        if proof:
            raise VerificationFailed("the consistency proof is too long for the trees")
        if first_size == second_size and first_root != second_root:
            raise VerificationFailed("two trees of the same size differ: the history was forked")
        return
    walk_consistency(first_size, first_root, second_size, second_root, proof)


def walk_consistency(
    first_size: int,
    first_root: bytes,
    second_size: int,
    second_root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Steps 1 to 7 of section 2.1.4.2, for 0 < first_size < second_size."""
    whole = first_size & (first_size - 1) == 0
    path = [first_root, *proof] if whole else list(proof)
    if not proof:
        raise VerificationFailed("the consistency proof is too short for the trees")
    fn, sn = first_size - 1, second_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise VerificationFailed("the consistency proof is too long for the trees")
        if fn & 1 or fn == sn:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            fn, sn = skip_levels_without_sibling(fn, sn)
        else:
            newer = node_hash(newer, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise VerificationFailed("the consistency proof is too short for the trees")
    if (older, newer) != (first_root, second_root):
        raise VerificationFailed("the newer tree does not extend the older: history was rewritten")


def skip_levels_without_sibling(fn: int, sn: int) -> tuple[int, int]:
    """Step 4.b of 2.1.3.2 and 6.b of 2.1.4.2: climb while a right edge has nothing beside it."""
    while fn != 0 and fn & 1 == 0:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def refuse_odd_hashes(*hashes: bytes) -> None:
    """Two parts of another length could be concatenated to what two hashes give."""
    if any(len(value) != HASH_SIZE for value in hashes):
        raise VerificationFailed(f"every hash of a proof has {HASH_SIZE} bytes")
