"""Grows a Merkle tree without re-hashing it, and proves from stored hashes (RFC 9162, section 2.1).

A complete subtree of 2^level leaves never changes once it is full. A store keeps the hash of each
under its `Node` (the tiles of C2SP tlog-tiles hold the same hashes); the incomplete right edge is
hashed anew each time from at most one complete subtree per level: the frontier.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from app.evidence.merkle import EMPTY_ROOT, Range, node_hash


class Node(NamedTuple):
    """A complete subtree: the `offset`-th, from the left, of those with 2^level leaves."""

    level: int
    offset: int


@dataclass(frozen=True)
class Frontier:
    """All that is needed to go on: how many leaves, and the roots of `nodes((0, size))`."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far (2.1.1), in O(log size)."""
        return join(self.hashes) if self.size else EMPTY_ROOT


def extend(
    frontier: Frontier, leaf_hashes: Iterable[bytes]
) -> tuple[Frontier, list[tuple[Node, bytes]]]:
    """Append leaves; also every subtree this completed, leaves included, for the store.

    A new leaf closes one subtree for each trailing 1 bit of the size, as adding one carries.
    """
    size, stack = frontier.size, list(frontier.hashes)
    completed = list[tuple[Node, bytes]]()
    for leaf in leaf_hashes:
        node = Node(0, size)
        stack.append(leaf)
        completed.append((node, leaf))
        while node.offset & 1:
            right = stack.pop()
            stack.append(node_hash(stack.pop(), right))
            node = Node(node.level + 1, node.offset >> 1)
            completed.append((node, stack[-1]))
        size += 1
    return Frontier(size, tuple(stack)), completed


def nodes(leaves: Range) -> list[Node]:
    """The complete subtrees that a subtree consists of, left to right: one per 1 bit of its size.

    Only for ranges that section 2.1.1 meets, which start at a multiple of a power of two that is
    no smaller than their size.
    """
    start, end = leaves
    found = list[Node]()
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(Node(level, start >> level))
        start += 1 << level
    return found


def needed(ranges: Iterable[Range]) -> list[Node]:
    """Every node whose stored hash a proof takes, so that one query can fetch them all."""
    return [node for leaves in ranges for node in nodes(leaves)]


def proof(ranges: Iterable[Range], stored: Mapping[Node, bytes]) -> list[bytes]:
    """The proof that `inclusion_ranges` or `consistency_ranges` describes, from stored hashes.

    KeyError if one that is `needed` is not there.
    """
    return [join([stored[node] for node in nodes(leaves)]) for leaves in ranges]


def restored(size: int, stored: Mapping[Node, bytes]) -> Frontier:
    """The frontier of a tree of this size, from the stored hashes of `nodes((0, size))`."""
    return Frontier(size, tuple(stored[node] for node in nodes((0, size))))


def join(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that shrink to the right: the smallest are joined first."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))
