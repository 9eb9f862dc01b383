"""Others' readers of the formats that receipts are made of agree with ours."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import Key, SSlibKey

from app.evidence import dsse, note
from app.evidence.signer import Signer
from tests.evidence.issuing import LOG, ORIGIN, REVIEWER, THIEF, issued, stated


def envelope_of(receipt: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(receipt)["envelope"]
    return told


def public(key: Ed25519PrivateKey, keyid: str) -> Key:
    return SSlibKey.from_crypto(key.public_key(), keyid=keyid)


def keyid_of(key: Ed25519PrivateKey) -> str:
    known = note.verifier_key(ORIGIN, key)
    return f"{known.name}+{known.id.hex()}"


def test_securesystemslib_verifies_the_envelope_of_a_receipt() -> None:
    signed = Signer(ORIGIN, (LOG,)).statement(stated(5))

    theirs = Envelope.from_dict(envelope_of(issued(5, signed=signed)))

    assert theirs.payload == stated(5)
    assert theirs.pae() == dsse.pae(signed.payload_type, signed.payload)
    accepted = theirs.verify([public(LOG, keyid_of(LOG))], threshold=1)
    assert list(accepted) == [keyid_of(LOG)]


def test_securesystemslib_verifies_both_signatures_while_a_key_is_rotated() -> None:
    signed = Signer(ORIGIN, (REVIEWER, LOG)).statement(stated(5))
    keys = [public(key, keyid_of(key)) for key in (LOG, REVIEWER)]

    theirs = Envelope.from_dict(dsse.to_json(signed))

    assert len(theirs.verify(keys, threshold=2)) == 2


def test_securesystemslib_refuses_another_key_that_goes_by_the_same_id() -> None:
    theirs = Envelope.from_dict(dsse.to_json(Signer(ORIGIN, (LOG,)).statement(stated(5))))

    with pytest.raises(VerificationError):
        theirs.verify([public(THIEF, keyid_of(LOG))], threshold=1)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_securesystemslib_refuses_a_payload_that_differs_in_one_byte(place: int) -> None:
    theirs = Envelope.from_dict(dsse.to_json(Signer(ORIGIN, (LOG,)).statement(stated(5))))
    changed = bytearray(theirs.payload)
    changed[place] ^= 1
    theirs.payload = bytes(changed)

    with pytest.raises(VerificationError):
        theirs.verify([public(LOG, keyid_of(LOG))], threshold=1)


def test_ours_verifies_what_securesystemslib_wrote() -> None:
    signed = Signer(ORIGIN, (LOG,)).statement(stated(5))
    theirs = Envelope.from_dict(dsse.to_json(signed)).to_dict()

    opened = dsse.verify(
        dsse.from_json(theirs),
        [note.verifier_key(ORIGIN, LOG)],
        payload_type=signed.payload_type,
    )

    assert opened.payload == stated(5)
