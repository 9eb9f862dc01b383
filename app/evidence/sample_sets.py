"""Commits to a set of samples without naming any: the Merkle root over salted leaf hashes.

Each sample has a salt of its own, made from one key. Whoever holds the key can later show a single
sample to be in the set, by its salt and its inclusion proof, and gives nothing away about the
others. Once the key is destroyed nobody can, and guessing at ids tells nothing either.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.evidence.canonical import commitment
from app.evidence.frontier import Frontier, extend
from app.evidence.merkle import leaf_hash

KEY_SIZE = 32


class Named(NamedTuple):
    """A sample by the names under which its owner knows it."""

    dataset: str
    sample_id: str


@dataclass(frozen=True)
class SetCommitment:
    """How many samples, and the root hash over their leaves."""

    count: int
    root: bytes


def commit(key: bytes, samples: Iterable[Named]) -> SetCommitment:
    """The commitment to these samples in this order. ValueError unless the key is KEY_SIZE bytes.

    `key` is secret and drawn by `secrets.token_bytes`, one for each set.
    """
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
    tree, _ = extend(
        Frontier(), (leaf(salt(key, place), sample) for place, sample in enumerate(samples))
    )
    return SetCommitment(tree.size, tree.root)


def salt(key: bytes, place: int) -> bytes:
    """The salt of the sample at this place: HMAC-SHA256 of the place, 8 bytes, under the key."""
    return hmac.digest(key, place.to_bytes(8), "sha256")


def leaf(salt: bytes, sample: Named) -> bytes:
    """The leaf hash (RFC 9162, 2.1.1) of SHA-256(salt || canonical `{dataset, sample}`)."""
    return leaf_hash(commitment(salt, {"dataset": sample.dataset, "sample": sample.sample_id}))
