"""Reads the header of a safetensors file without torch, and compares it with a recipe's network."""

import json
import struct
from typing import IO, Any

from app.errors import BadWeights, Fault, WeightsDoNotFit

LONGEST_HEADER = 100_000_000  # the format's own bound
SHOWN = 20


def shapes(file: IO[bytes]) -> dict[str, list[int]]:
    """By tensor: its shape, as the header says (8 bytes of length, then JSON)."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    prefix = file.read(8)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
    if not 2 <= length <= min(LONGEST_HEADER, size - 8):
        raise BadWeights("this is not a safetensors file: its length prefix is out of range")
    try:
        header: dict[str, Any] = json.loads(file.read(length))
        tensors = {name: facts for name, facts in header.items() if name != "__metadata__"}
        end = max((int(facts["data_offsets"][1]) for facts in tensors.values()), default=0)
        found = {name: [int(n) for n in facts["shape"]] for name, facts in tensors.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadWeights("this is not a safetensors file: its header cannot be read") from error
    if 8 + length + end != size:
        raise BadWeights(f"the file has {size} bytes, its header speaks of {8 + length + end}")
    file.seek(0)
    return found


def refuse_misfits(file: IO[bytes], expected: dict[str, list[int]]) -> None:
    """Refuse weights whose tensors are not those of the recipe's network."""
    found = shapes(file)
    faults = [Fault(f"/{name}", "missing", "not in the file") for name in expected.keys() - found]
    faults += [
        Fault(f"/{name}", "unexpected", "not in the network") for name in found.keys() - expected
    ]
    faults += [
        Fault(f"/{name}", "shape_differs", f"{found[name]} in the file, {expected[name]} expected")
        for name in found.keys() & expected
        if found[name] != expected[name]
    ]
    if faults:
        faults.sort(key=lambda fault: fault.pointer)
        raise WeightsDoNotFit(
            f"{len(faults)} tensors do not fit the recipe's network", *faults[:SHOWN]
        )
