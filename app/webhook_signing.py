"""Signs webhook messages as Standard Webhooks 1.0 asks, with keys that are stored nowhere.

A key is derived (HKDF-SHA256, RFC 5869) from the installation's pepper, the webhook's id and the
key's number: a copy of the database tells none, and a rotation is the next number.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.config import Settings
from app.errors import ServiceError
from app.ledger.webhook_tables import Signing

KEY_SIZE = 32
Standard = Literal[Signing.HMAC, Signing.ED25519]


class NoPepper(ServiceError):
    """The service has no LACUNA_PEPPER, which its keys are derived from."""

    status = 503
    code = "no_pepper"


def pepper_of(settings: Settings) -> str:
    """What all keys are derived from. Raises NoPepper."""
    if pepper := settings.pepper.get_secret_value():
        return pepper
    raise NoPepper("set LACUNA_PEPPER to the same secret for all processes")


def key(pepper: str, webhook_id: UUID, number: int) -> bytes:
    """The webhook's key of this number, 32 bytes."""
    info = b"lacuna webhook key " + webhook_id.bytes + number.to_bytes(4, "big")
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=info).derive(pepper.encode())


def secret(key: bytes) -> str:
    """The key as receivers of HMAC signatures configure it."""
    return f"whsec_{b64encode(key).decode()}"


def public_key(key: bytes) -> str:
    """What receivers of Ed25519 signatures verify with."""
    return f"whpk_{b64encode(private(key).public_key().public_bytes_raw()).decode()}"


def private(key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key)


def headers(
    keys: Sequence[bytes], signing: Standard, *, message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of one attempt, signed with each key, the newest first."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(key, signing, signed) for key in keys),
    }


def signature(key: bytes, signing: Standard, signed: bytes) -> str:
    """One signature with the version that stands for its kind."""
    match signing:
        case Signing.HMAC:
            return f"v1,{b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
        case Signing.ED25519:
            return f"v1a,{b64encode(private(key).sign(signed)).decode()}"
