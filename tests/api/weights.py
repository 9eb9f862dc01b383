"""Safetensors files for tests, written byte by byte."""

import json
import struct
from typing import Any

from app.api.weights_header import Form

NETWORK: dict[str, Form] = {
    "weight": {"dtype": "F32", "shape": [2, 3]},
    "bias": {"dtype": "F32", "shape": [2]},
}
WEIGHT = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
BIAS = {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]}


def framed(header: bytes, body: bytes = bytes(32)) -> bytes:
    """A safetensors file: the length of the header, the header, the tensors' bytes."""
    return struct.pack("<Q", len(header)) + header + body


def weights_file(body: bytes = bytes(32), **tensors: Any) -> bytes:
    """A file that fits the network, but for what is named; None leaves a tensor out."""
    header = {"weight": WEIGHT, "bias": BIAS} | tensors
    kept = {name: facts for name, facts in header.items() if facts is not None}
    return framed(json.dumps(kept).encode(), body)
