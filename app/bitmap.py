"""Sets of sample ordinals: exact, compact, and fast in set algebra at 100 million samples."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Self

from pyroaring import BitMap, FrozenBitMap


class Bitmap:
    """An immutable set of ordinals 0 .. 2^32-1, as a roaring bitmap (arXiv 1603.06549)."""

    __slots__ = ("_bits",)

    def __init__(self, ordinals: Iterable[int] = ()) -> None:
        self._bits = FrozenBitMap(ordinals)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(BitMap.deserialize(data))

    def to_bytes(self) -> bytes:
        """The portable serialisation; equal sets give equal bytes."""
        bits = BitMap(self._bits)
        bits.run_optimize()
        return bytes(bits.serialize())

    @property
    def digest(self) -> str:
        """SHA-256 of the ascending ordinals, 4 big-endian bytes each: no library's own format."""
        ordinals = b"".join(ordinal.to_bytes(4, "big") for ordinal in self._bits)
        return hashlib.sha256(ordinals).hexdigest()

    def __or__(self, other: "Bitmap") -> "Bitmap":
        return Bitmap(self._bits | other._bits)

    def __and__(self, other: "Bitmap") -> "Bitmap":
        return Bitmap(self._bits & other._bits)

    def __sub__(self, other: "Bitmap") -> "Bitmap":
        return Bitmap(self._bits - other._bits)

    def __le__(self, other: "Bitmap") -> bool:
        return bool(self._bits <= other._bits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitmap) and bool(self._bits == other._bits)

    def __hash__(self) -> int:
        return hash(self._bits)

    def __len__(self) -> int:
        return len(self._bits)

    def __iter__(self) -> Iterator[int]:
        return iter(self._bits)

    def __contains__(self, ordinal: int) -> bool:
        return ordinal in self._bits

    def at(self, place: int) -> int:
        """The ordinal at this place of the ascending order, from 0."""
        return int(self._bits[place])

    def rank(self, ordinal: int) -> int:
        """How many ordinals of the set are at most this one."""
        return int(self._bits.rank(ordinal))

    def __repr__(self) -> str:
        return f"<Bitmap of {len(self)}>"
