"""Noise that is part of the data: clean pictures are so easy that networks remember few of them."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def noise(ids: Sequence[str], width: int) -> Tensor:
    """`[N, width]`, uniform in ±1: a byte of the id's SHAKE-256 each, so alike on every machine."""
    drawn = b"".join(hashlib.shake_256(name.encode()).digest(width) for name in ids)
    levels = torch.frombuffer(bytearray(drawn), dtype=torch.uint8).reshape(len(ids), width)
    return 2 * (levels.float() / 255) - 1
