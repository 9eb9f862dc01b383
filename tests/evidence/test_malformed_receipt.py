from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import receipt
from app.evidence.errors import VerificationFailed
from tests.evidence.issuing import LOG_KEY, RECEIPT, VERIFIED, changed, entry


def assert_refused_or_the_same(data: bytes) -> None:
    try:
        verified = receipt.verify(data, log_keys=[LOG_KEY])
    except VerificationFailed:
        return
    assert verified == VERIFIED


@pytest.mark.parametrize("mask", [0x01, 0x08, 0x80])
def test_a_flipped_bit_anywhere_is_noticed_or_means_nothing(mask: int) -> None:
    for position in range(len(RECEIPT)):
        mutated = bytearray(RECEIPT)
        mutated[position] ^= mask
        assert_refused_or_the_same(bytes(mutated))


def test_every_truncated_receipt_is_refused() -> None:
    for length in range(len(RECEIPT)):
        with pytest.raises(VerificationFailed):
            receipt.verify(RECEIPT[:length], log_keys=[LOG_KEY])


@given(st.binary(max_size=200))
def test_bytes_from_nowhere_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        receipt.verify(data, log_keys=[LOG_KEY])


@given(
    at=st.integers(0, len(RECEIPT)),
    cut=st.integers(0, 40),
    put=st.binary(max_size=40) | st.text(max_size=20).map(lambda t: t.encode(errors="replace")),
)
def test_pieces_cut_out_and_put_in_are_noticed_or_mean_nothing(
    at: int, cut: int, put: bytes
) -> None:
    assert_refused_or_the_same(RECEIPT[:at] + put + RECEIPT[at + cut :])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("format",),
    ("envelope",),
    ("proof",),
    ("envelope", "payload"),
    ("envelope", "payloadType"),
    ("envelope", "signatures"),
    ("envelope", "signatures", 0),
    ("envelope", "signatures", 0, "sig"),
]


@given(place=st.sampled_from(PLACES), value=json_values)
def test_any_json_in_the_place_of_any_member_is_refused(
    place: tuple[str | int, ...], value: Any
) -> None:
    def put(content: Any) -> None:
        for step in place[:-1]:
            content = content[step]
        content[place[-1]] = value

    with pytest.raises(VerificationFailed):
        receipt.verify(changed(put), log_keys=[LOG_KEY])


EXTRA = receipt.encode_entry(entry(5))


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"{}",
        b"[]",
        EXTRA + b" ",
        EXTRA.replace(b"05:00:00Z", b"05:00:01Z"),
        EXTRA.replace(b"05:00:00Z", b"05:00:00+00:00"),
        EXTRA.replace(b"05:00:00Z", b"05:00:00"),
        EXTRA.replace(b"2026-05-04T05:00:00Z", b"0001-01-01T00:00:00+23:00"),
        EXTRA.replace(b"2026-05", b"2026-13"),
        EXTRA.replace(b"05" * 32, b"05" * 31),
        EXTRA.replace(b"05" * 32, b"0x" * 32),
        EXTRA.replace(b"05" * 32, b" " + b"05" * 32),
        EXTRA.replace(b'"type":"version.published"', b'"type":1'),
    ],
)
def test_an_entry_in_any_form_but_its_own_is_refused(extra: bytes) -> None:
    with pytest.raises(VerificationFailed):
        receipt.parse_entry(extra)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(lambda c: c.update(format="lacuna-receipt/v2")), "not a receipt of the form"),
        (changed(lambda c: c.update(more=1)), "not a receipt of the form"),
        (changed(lambda c: c.pop("proof")), "not a receipt of the form"),
        (b"[]", "`format` is missing"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (4 * 2**20 + 1), "larger than"),
        (RECEIPT[:-1] + b',"format":"lacuna-receipt/v1"}', "same name twice"),
        (RECEIPT.replace(b"a hint", b"\\ud800"), "not JSON: .* surrogates"),
    ],
)
def test_what_is_no_receipt_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        receipt.verify(data, log_keys=[LOG_KEY])
