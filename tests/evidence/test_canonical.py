import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.canonical import canonical, commitment, commitment_to_bytes, digest, leaf_data

safe_integers = st.integers(-(2**53) + 1, 2**53 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]))
payloads = st.recursive(
    st.none()
    | st.booleans()
    | safe_integers
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def test_the_sample_of_the_rfc_has_the_bytes_of_the_rfc() -> None:
    # RFC 8785, sections 3.2.2 and 3.2.4
    sample = json.loads(
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        '"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
        '"literals": [null, true, false]}'
    )

    assert canonical(sample) == (
        b'{"literals":[null,true,false],'
        b'"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_by_their_utf_16_code_units() -> None:
    # RFC 8785, section 3.2.3
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]

    written = json.loads(canonical(dict.fromkeys(names)))

    assert list(written) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@given(payload=payloads)
def test_canonical_json_says_what_was_put_in_and_says_it_once(payload: Any) -> None:
    written = canonical(payload)

    read = json.loads(written, parse_int=float)  # to JSON every number is a double
    assert read == payload
    assert canonical(read) == written


@pytest.mark.parametrize("payload", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, b"x"])
def test_what_canonical_json_cannot_say_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(payload)


def test_digest_and_commitment_are_plain_sha256() -> None:
    # printf '{"a":1}' | sha256sum, without and with 32 zero bytes before it
    assert digest({"a": 1}).hex() == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
    assert commitment(bytes(32), {"a": 1}).hex() == (
        "b06a229070741292512e8760f470dd7a4c46ccfdf253df781d88dabe58c1ccb1"
    )


@given(payload=payloads, salt=st.binary(min_size=32, max_size=32))
def test_a_commitment_depends_on_salt_and_payload(payload: Any, salt: bytes) -> None:
    other_salt = bytes([salt[0] ^ 1]) + salt[1:]

    made = commitment(salt, payload)

    assert made == sha256(salt + canonical(payload)).digest()
    assert made == commitment_to_bytes(salt, canonical(payload))
    assert made != commitment(other_salt, payload)
    assert made != commitment(salt, [payload])


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_salt_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        commitment(bytes(size), {})


def test_a_leaf_shows_type_hour_and_commitment_and_nothing_finer() -> None:
    moment = datetime(2026, 1, 31, 10, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=1)))

    data = leaf_data("job.queued", moment, bytes(range(32)))

    assert data == (
        b'{"commitment":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"hour":"2026-01-31T09:00:00Z","type":"job.queued"}'
    )


@given(st.integers(946_684_800, 4_102_444_800).map(lambda s: datetime.fromtimestamp(s, UTC)))
def test_moments_of_one_hour_have_one_leaf(moment: datetime) -> None:
    start = moment.replace(minute=0, second=0, microsecond=0)

    assert leaf_data("x", moment, bytes(32)) == leaf_data("x", start, bytes(32))
    assert leaf_data("x", moment, bytes(32)) != leaf_data(
        "x", start + timedelta(hours=1), bytes(32)
    )


def test_a_leaf_needs_a_moment_with_a_time_zone() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        leaf_data("x", datetime(2026, 1, 1), bytes(32))  # noqa: DTZ001 - the point of the test
