import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import dsse, note
from app.evidence.dsse import Envelope, Signature
from app.evidence.errors import VerificationFailed

TYPE = "application/vnd.in-toto+json"

# RFC 8032, section 7.1, TEST 1 and TEST 2: the keys of DSSE's published test vectors.
A = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
B = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
)
KEY_A = note.verifier_key("a.example", A)
KEY_B = note.verifier_key("b.example", B)
KEY_C = note.verifier_key("c.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))

EMPTY = Envelope(b'{"_type":"https://in-toto.io/Statement/v1"}', TYPE)
signatures = st.builds(Signature, st.binary(max_size=70), st.text(st.characters(codec="utf-8")))


def test_the_signed_bytes_are_those_of_the_protocol() -> None:
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_counted_in_bytes() -> None:
    assert dsse.pae("application/vnd.ex\u00e4mple+json", b"") == (
        b"DSSEv1 29 application/vnd.ex\xc3\xa4mple+json 0 "
    )


def test_a_signature_is_that_of_the_published_vector() -> None:
    # secure-systems-lab/dsse, testvectors/vectors.json, "single-signature"
    signed = dsse.sign(EMPTY, A, keyid="A")

    assert dsse.to_json(signed) == {
        "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
        "payloadType": TYPE,
        "signatures": [
            {
                "sig": "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7Ax"
                "BZNw5M9ixNHiCA==",
                "keyid": "A",
            }
        ],
    }


@given(
    payload=st.binary(max_size=100),
    kind=st.text(st.characters(codec="utf-8")),
    signatures=st.lists(signatures, max_size=4),
)
def test_an_envelope_is_read_back_as_it_was_written(
    payload: bytes, kind: str, signatures: list[Signature]
) -> None:
    written = Envelope(payload, kind, tuple(signatures))

    assert dsse.from_json(json.loads(json.dumps(dsse.to_json(written)))) == written


@given(payload=st.binary(max_size=100))
def test_what_comes_out_is_exactly_what_was_signed(payload: bytes) -> None:
    signed = dsse.sign(Envelope(payload, TYPE), A)

    opened = dsse.verify(signed, [KEY_A, KEY_B], payload_type=TYPE)

    assert opened.payload == payload
    assert opened.signers == ("a.example",)


@given(payload=st.binary(max_size=60), other=st.binary(max_size=60))
def test_another_payload_is_refused(payload: bytes, other: bytes) -> None:
    signed = replace(dsse.sign(Envelope(payload, TYPE), A), payload=other)

    if other != payload:
        with pytest.raises(VerificationFailed, match="none of the keys you trust"):
            dsse.verify(signed, [KEY_A], payload_type=TYPE)


def test_both_base64_alphabets_are_read() -> None:
    signed = dsse.sign(Envelope(b"\xfb\xff\xbf>?", TYPE), A)
    value = dsse.to_json(signed)
    value["payload"] = urlsafe_b64encode(signed.payload).decode()
    value["signatures"][0]["sig"] = urlsafe_b64encode(signed.signatures[0].sig).decode()

    assert value["payload"] == "-_-_Pj8="
    assert dsse.from_json(value) == signed


@pytest.mark.parametrize("payload", ["-_+_Pj8=", "+/-/Pj8=", "Pj8", "Pj9=", "Pj8==", "P j8="])
def test_other_spellings_of_base64_are_refused(payload: str) -> None:
    value = dsse.to_json(EMPTY) | {"payload": payload}

    with pytest.raises(VerificationFailed, match="not base64"):
        dsse.from_json(value)


@pytest.mark.parametrize("keyid", ["", "b.example", "nonsense"])
def test_the_key_id_decides_nothing(keyid: str) -> None:
    signed = dsse.sign(EMPTY, A, keyid=keyid)

    assert dsse.verify(signed, [KEY_B, KEY_A], payload_type=TYPE).signers == ("a.example",)


def test_a_type_that_was_not_signed_is_refused() -> None:
    signed = dsse.sign(EMPTY, A)

    with pytest.raises(VerificationFailed, match="none of the keys"):
        dsse.verify(replace(signed, payload_type="text/plain"), [KEY_A], payload_type="text/plain")
    with pytest.raises(VerificationFailed, match="not of the type text/plain"):
        dsse.verify(signed, [KEY_A], payload_type="text/plain")


def test_two_of_three_keys_are_enough_when_two_are_asked_for() -> None:
    signed = dsse.sign(dsse.sign(EMPTY, A), B)

    opened = dsse.verify(signed, [KEY_A, KEY_B, KEY_C], payload_type=TYPE, threshold=2)

    assert opened.signers == ("a.example", "b.example")
    with pytest.raises(VerificationFailed, match=r"2 of the keys you trust .* not 3"):
        dsse.verify(signed, [KEY_A, KEY_B, KEY_C], payload_type=TYPE, threshold=3)


def test_one_key_does_not_count_twice_by_signing_twice_or_by_having_two_names() -> None:
    signed = dsse.sign(dsse.sign(EMPTY, A, keyid="one"), A, keyid="two")
    alias = note.verifier_key("alias.example", A)

    with pytest.raises(VerificationFailed, match=r"1 of the keys you trust .* not 2"):
        dsse.verify(signed, [KEY_A, alias, KEY_B], payload_type=TYPE, threshold=2)


def test_signatures_of_strangers_and_broken_ones_are_passed_over() -> None:
    signed = dsse.sign(dsse.sign(EMPTY, B), A)
    crowded = replace(signed, signatures=(Signature(b""), Signature(bytes(64)), *signed.signatures))

    assert dsse.verify(crowded, [KEY_A], payload_type=TYPE).signers == ("a.example",)


def test_a_threshold_of_nobody_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="below one"):
        dsse.verify(EMPTY, [KEY_A], payload_type=TYPE, threshold=0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"payload": "", "payloadType": ""},
        {"payload": "", "payloadType": "", "signatures": {}},
        {"payload": "", "payloadType": "", "signatures": [None]},
        {"payload": "", "payloadType": "", "signatures": [{}]},
        {"payload": "", "payloadType": "", "signatures": [{"sig": "", "keyid": 1}]},
        {"payload": 1, "payloadType": "", "signatures": []},
        {"payload": "", "payloadType": None, "signatures": []},
    ],
)
def test_what_is_no_envelope_is_refused(value: Any) -> None:
    with pytest.raises(VerificationFailed, match="missing or of the wrong kind"):
        dsse.from_json(value)


def test_members_nobody_knows_are_ignored() -> None:
    value = dsse.to_json(dsse.sign(EMPTY, A)) | {"later": 1}
    value["signatures"][0]["later"] = 1

    assert dsse.from_json(value) == dsse.sign(EMPTY, A)
