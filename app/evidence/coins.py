"""Commits to coin flips before they matter, so that anybody can check them afterwards."""

import hashlib
from collections.abc import Iterable

NONCE_SIZE = 32


def leaf(nonce: bytes, samples_sha256: str, *, included: bool) -> bytes:
    """What stands for one coin: it hides side and samples until the nonce is shown.

    SHA-256 over the nonce, one byte for the side (1 in, 0 out), and the digest of the samples.
    """
    assert len(nonce) == NONCE_SIZE
    side = b"\x01" if included else b"\x00"
    return hashlib.sha256(nonce + side + bytes.fromhex(samples_sha256)).digest()


def digest(leaves: Iterable[bytes]) -> bytes:
    """One number for all coins of a deal: SHA-256 over their leaves, sorted.

    A coin whose samples were forgotten keeps its leaf, so that the others can still be opened.
    """
    return hashlib.sha256(b"".join(sorted(leaves))).digest()
