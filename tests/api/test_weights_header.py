"""What is read of weights before they are taken: a header, and never anything that could run."""

import json
import pickle
import struct
from io import BytesIO

import pytest
from safetensors import SafetensorError, deserialize

from app.api import weights_header
from app.api.weights_header import Form
from app.errors import BadWeights, WeightsDoNotFit
from tests.api.weights import BIAS, NETWORK, WEIGHT, framed, weights_file

NOT_SAFETENSORS: dict[str, bytes] = {
    "nothing": b"",
    "less than a prefix": b"\2\0\0\0\0\0\0",
    "a pickle": pickle.dumps({"weight": [0.0] * 100}),
    "a zip, as torch saves": b"PK\3\4" + bytes(100),
    "a length of zero": struct.pack("<Q", 0) + b"{}",
    "a length beyond the end": struct.pack("<Q", 10**6) + weights_file()[8:],
    "a length beyond all sense": struct.pack("<Q", 2**64 - 1) + weights_file()[8:],
    "a length that is short by one": struct.pack("<Q", len(weights_file()) - 41)
    + weights_file()[8:],
    "cut off in the header": weights_file()[:60],
    "cut off in the tensors": weights_file()[:-1],
    "more than the tensors": weights_file() + b"\0",
    "a list for a header": framed(b"[]", b""),
    "a blank before the header": framed(b" {}", b""),
    "not UTF-8": framed(b'{"\xff": 1}', b""),
    "nested too deep": framed(b'{"weight": ' + b"[" * 100_000, b""),
    "a number too long to read": framed(b'{"weight": ' + b"9" * 10_000 + b"}", b""),
    "half a surrogate pair for a name": framed(b'{"\\ud800": {}}', b""),
    "a name twice": framed(
        f'{{"weight": {json.dumps(WEIGHT)}, "weight": {json.dumps(WEIGHT)}}}'.encode(), bytes(24)
    ),
    "metadata that are no strings": weights_file(__metadata__={"epoch": 1}),
    "metadata that are a list": weights_file(__metadata__=["epoch"]),
    "a tensor without a type": weights_file(bias={"shape": [2], "data_offsets": [24, 32]}),
    "a tensor with more": weights_file(bias=BIAS | {"code": "x"}),
    "an unknown type": weights_file(bias=BIAS | {"dtype": "O"}),
    "a negative dimension": weights_file(bias=BIAS | {"shape": [-1, -2]}),
    "half a dimension": weights_file(bias=BIAS | {"shape": [2.0]}),
    "a dimension that is true": weights_file(bias=BIAS | {"shape": [2, True]}),
    "sixty-five dimensions": weights_file(bias=BIAS | {"shape": [2] + [1] * 64}),
    "a shape of more bytes than there are": weights_file(bias=BIAS | {"shape": [3]}),
    "tensors that overlap": weights_file(bias=BIAS | {"data_offsets": [20, 28]}),
    "tensors with a gap": weights_file(bias=BIAS | {"data_offsets": [28, 36]}, body=bytes(36)),
    "a tensor that runs backwards": weights_file(bias=BIAS | {"data_offsets": [32, 24]}),
}


@pytest.mark.parametrize("weights", NOT_SAFETENSORS.values(), ids=NOT_SAFETENSORS)
def test_what_is_no_safetensors_file_is_refused(weights: bytes) -> None:
    with pytest.raises(BadWeights):
        weights_header.forms(BytesIO(weights))


def test_of_a_file_with_one_byte_changed_we_read_what_the_safetensors_library_reads() -> None:
    good = weights_file()
    header = len(good) - 32

    for place in range(header):
        for byte in range(256):
            changed = good[:place] + bytes([byte]) + good[place + 1 :]
            assert ours(changed) == theirs(changed), changed[:header]


def ours(weights: bytes) -> dict[str, Form] | None:
    try:
        return weights_header.forms(BytesIO(weights))
    except BadWeights:
        return None


def theirs(weights: bytes) -> dict[str, Form] | None:
    try:
        read = deserialize(weights)  # type: ignore[no-untyped-call]  # the library has no types
        return {name: Form(dtype=facts["dtype"], shape=facts["shape"]) for name, facts in read}
    except SafetensorError:
        return None


MISFITS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "no tensors": (
        framed(b"{}", b""),
        [("/bias", "missing"), ("/weight", "missing")],
    ),
    "a tensor too few": (weights_file(body=bytes(24), bias=None), [("/bias", "missing")]),
    "a tensor too many": (
        weights_file(body=bytes(33), extra={"dtype": "I8", "shape": [1], "data_offsets": [32, 33]}),
        [("/extra", "unexpected")],
    ),
    "another name": (
        framed(json.dumps({"weight": WEIGHT, "head/bias~0": BIAS}).encode()),
        [("/bias", "missing"), ("/head~1bias~00", "unexpected")],
    ),
    "a transposed tensor": (
        weights_file(weight=WEIGHT | {"shape": [3, 2]}),
        [("/weight", "shape_differs")],
    ),
    "as many numbers in one row": (
        weights_file(bias=BIAS | {"shape": [1, 2]}),
        [("/bias", "shape_differs")],
    ),
    "as many bytes of another type": (
        weights_file(bias=BIAS | {"dtype": "I32"}),
        [("/bias", "dtype_differs")],
    ),
    "a tensor that is wrong in every way": (
        weights_file(bias=BIAS | {"dtype": "F16", "shape": [4]}),
        [("/bias", "dtype_differs"), ("/bias", "shape_differs")],
    ),
}


@pytest.mark.parametrize(("weights", "faults"), MISFITS.values(), ids=MISFITS)
def test_weights_of_another_network_are_refused_tensor_by_tensor(
    weights: bytes, faults: list[tuple[str, str]]
) -> None:
    with pytest.raises(WeightsDoNotFit) as refusal:
        weights_header.refuse_misfits(BytesIO(weights), NETWORK)

    assert [(place.pointer, place.code) for place in refusal.value.faults] == faults


def test_at_most_twenty_tensors_are_named() -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = {f"layer-{place:02d}": empty for place in range(30)}
    weights = framed(json.dumps(header).encode(), b"")

    with pytest.raises(WeightsDoNotFit, match="32 tensors") as refusal:
        weights_header.refuse_misfits(BytesIO(weights), NETWORK)

    assert len(refusal.value.faults) == 20


def test_weights_that_fit_are_left_where_they_can_be_read_from_the_start() -> None:
    file = BytesIO(weights_file(__metadata__={"format": "pt"}))

    weights_header.refuse_misfits(file, NETWORK)

    assert file.tell() == 0
