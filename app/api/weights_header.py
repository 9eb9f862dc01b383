"""Reads the header of a safetensors file without torch, and compares it with a recipe's network."""

import json
import struct
from math import prod
from typing import IO, Any, TypedDict

from app.errors import BadWeights, Fault, WeightsDoNotFit

LONGEST_HEADER = 100_000_000  # the format's own bound
MOST_DIMENSIONS = 64  # torch's own bound
SHOWN = 20
BYTES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "BOOL": 1},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1},
}

Place = tuple[int, int]


class Form(TypedDict):
    """A tensor's type, in the words of the format, and its shape; workers announce it so."""

    dtype: str
    shape: list[int]


def forms(file: IO[bytes]) -> dict[str, Form]:
    """By tensor: its form, from a header that agrees with itself and with the file's size.

    https://github.com/huggingface/safetensors#format: 8 bytes of length, JSON, then the tensors'
    bytes without a gap.
    """
    size = file.seek(0, 2)
    file.seek(0)
    prefix = file.read(8)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
    if not 2 <= length <= min(LONGEST_HEADER, size - 8):
        raise BadWeights("this is not a safetensors file: its length prefix is out of range")
    try:
        tensors = parsed(file.read(length).decode())
    except (ValueError, RecursionError) as error:
        raise BadWeights("this is not a safetensors file: its header cannot be read") from error
    end = 0
    for begin, next_end in sorted(place for place, _ in tensors.values()):
        if begin != end:
            raise BadWeights(f"the tensors leave a gap or overlap at byte {end}")
        end = next_end
    if 8 + length + end != size:
        raise BadWeights(f"the file has {size} bytes, its header speaks of {8 + length + end}")
    file.seek(0)
    return {name: form for name, (_, form) in tensors.items()}


def parsed(text: str) -> dict[str, tuple[Place, Form]]:
    """By tensor: where its bytes lie, and its form. ValueError for what the format forbids."""
    header = json.loads(text, object_pairs_hook=without_repetition)
    if not isinstance(header, dict) or not text.startswith("{"):
        raise ValueError("a header is an object")
    match header.pop("__metadata__", {}):
        case dict() as metadata if all(isinstance(value, str) for value in metadata.values()):
            pass
        case _:
            raise ValueError("metadata are strings")
    return {name: tensor(facts) for name, facts in header.items()}


def tensor(facts: Any) -> tuple[Place, Form]:
    """Where a tensor's bytes lie, and its form, which says that they are as many."""
    match facts:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [begin, end]} if (
            len(facts) == 3
            and len(shape) <= MOST_DIMENSIONS
            and all(type(number) is int and number >= 0 for number in (*shape, begin, end))
            and end - begin == BYTES.get(kind, 0) * prod(shape)
            and kind in BYTES
        ):
            return (begin, end), Form(dtype=kind, shape=shape)
        case _:
            raise ValueError("a tensor has a type, a shape and the place of as many bytes")


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names differ and are text."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    for name in found:
        name.encode()  # half of a surrogate pair cannot even be named in a refusal
    return found


def refuse_misfits(file: IO[bytes], expected: dict[str, Form]) -> None:
    """Refuse weights whose tensors are not those of the recipe's network."""
    found = forms(file)
    faults = [fault(name, "missing", "not in the file") for name in expected.keys() - found.keys()]
    faults += [
        fault(name, "unexpected", "not in the network") for name in found.keys() - expected.keys()
    ]
    for name in found.keys() & expected.keys():
        faults += differences(name, found[name], expected[name])
    if faults:
        faults.sort(key=lambda fault: (fault.pointer, fault.code))
        raise WeightsDoNotFit(
            f"{len(faults)} tensors do not fit the recipe's network", *faults[:SHOWN]
        )


def differences(name: str, found: Form, expected: Form) -> list[Fault]:
    """What of a tensor's form is not as the network has it; no value is ever converted."""
    pairs = [
        ("dtype_differs", found["dtype"], expected["dtype"]),
        ("shape_differs", found["shape"], expected["shape"]),
    ]
    return [
        fault(name, code, f"{ours} in the file, {theirs} expected")
        for code, ours, theirs in pairs
        if ours != theirs
    ]


def fault(name: str, code: str, detail: str) -> Fault:
    return Fault("/" + name.replace("~", "~0").replace("/", "~1"), code, detail)
