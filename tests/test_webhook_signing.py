"""Signatures against the vector of the format's notes, the public client, and cryptography."""

import hmac
from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from app import webhook_signing
from app.config import Settings
from app.ledger.webhook_tables import Signing

WEBHOOK = UUID("11111111-2222-4333-8444-555555555555")
KEY = bytes(range(32))


def test_the_known_message_has_the_known_signature() -> None:
    body = (
        b'{"type":"unlearning_request.completed","timestamp":"2026-01-01T00:00:00Z",'
        b'"data":{"id":"req_1"}}'
    )

    headers = webhook_signing.headers(
        [KEY],
        Signing.HMAC,
        message_id="msg_1",
        at=datetime.fromtimestamp(1767225600, UTC),
        body=body,
    )

    assert webhook_signing.secret(KEY) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,2UNcOufaFX1QquMR9pUpJRVg7ZMDeG7x1e7OFMos6BQ=",
    }


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_public_client_takes_what_is_signed_and_nothing_else(text: str) -> None:
    body = text.encode()
    headers = webhook_signing.headers(
        [KEY], Signing.HMAC, message_id="msg_1", at=datetime.now(UTC), body=body
    )
    client = Webhook(webhook_signing.secret(KEY))

    client.verify(body, headers, json_parse=False)

    for forged in (body + b" ", text[1:].encode()):
        with pytest.raises(WebhookVerificationError):
            client.verify(forged, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        client.verify(body, headers | {"webhook-id": "msg_2"}, json_parse=False)


def test_an_ed25519_signature_verifies_with_the_public_key() -> None:
    headers = webhook_signing.headers(
        [KEY], Signing.ED25519, message_id="msg_1", at=datetime.now(UTC), body=b"{}"
    )
    version, _, signature = headers["webhook-signature"].partition(",")
    public = Ed25519PublicKey.from_public_bytes(
        b64decode(webhook_signing.public_key(KEY).removeprefix("whpk_"))
    )
    signed = f"msg_1.{headers['webhook-timestamp']}.{{}}".encode()

    assert version == "v1a"
    public.verify(b64decode(signature), signed)
    with pytest.raises(InvalidSignature):
        public.verify(b64decode(signature), signed + b" ")


def test_with_two_keys_there_are_two_signatures_and_the_newest_comes_first() -> None:
    old = bytes(32)
    at = datetime.now(UTC)

    both, new = (
        webhook_signing.headers(keys, Signing.HMAC, message_id="msg_1", at=at, body=b"{}")
        for keys in ([KEY, old], [KEY])
    )

    assert both["webhook-signature"].split(" ")[0] == new["webhook-signature"]
    for key in (KEY, old):
        Webhook(webhook_signing.secret(key)).verify(b"{}", both)


def test_a_key_depends_on_the_pepper_the_webhook_and_its_number() -> None:
    key = webhook_signing.key("pepper", WEBHOOK, 1)

    others = {
        webhook_signing.key("other", WEBHOOK, 1),
        webhook_signing.key("pepper", uuid4(), 1),
        webhook_signing.key("pepper", WEBHOOK, 2),
    }

    assert key == webhook_signing.key("pepper", WEBHOOK, 1)
    assert len(others | {key}) == 4
    # HKDF by hand: no change of ours may give everybody new secrets.
    extracted = hmac.digest(bytes(32), b"pepper", "sha256")
    info = b"lacuna webhook key " + WEBHOOK.bytes + b"\0\0\0\1"
    assert key == hmac.digest(extracted, info + b"\1", "sha256")


def test_without_a_pepper_there_is_no_key() -> None:
    with pytest.raises(webhook_signing.NoPepper):
        webhook_signing.pepper_of(Settings(pepper=SecretStr("")))
