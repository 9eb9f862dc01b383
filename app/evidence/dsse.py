"""Signed envelopes around a payload (DSSE 1.0, protocol.md and envelope.md).

Not securesystemslib's `dsse`: that one demands a key id of every signature, refuses two signatures
with one id, and picks the key by it, where the protocol makes the id an optional hint that must
decide nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey, verify_ed25519
from app.evidence.strict import from_either_base64, member, to_base64


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature over the envelope's PAE; `keyid` is a hint to people."""

    sig: bytes
    keyid: str = ""


@dataclass(frozen=True)
class Envelope:
    """A payload, how to read it, and who vouches for both."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True)
class Opened:
    """Exactly the bytes that were verified, and the names of the keys that signed them."""

    payload: bytes
    signers: tuple[str, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: the pre-authentication encoding of protocol.md."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(envelope: Envelope, private_key: Ed25519PrivateKey, *, keyid: str = "") -> Envelope:
    """The envelope with one signature more."""
    sig = private_key.sign(pae(envelope.payload_type, envelope.payload))
    return replace(envelope, signatures=(*envelope.signatures, Signature(sig, keyid)))


def verify(
    envelope: Envelope, keys: Iterable[VerifierKey], *, payload_type: str, threshold: int = 1
) -> Opened:
    """The payload, if at least `threshold` different trusted keys signed it (t of n).

    One public key counts once, however many names, lines and ids it goes by. Signatures of others
    are passed over. ValueError for a threshold below one, which would trust everybody.
    """
    if threshold < 1:
        raise ValueError("a threshold below one accepts unsigned statements")
    message = pae(envelope.payload_type, envelope.payload)
    signers = {
        key.public_key: key.name
        for key in keys
        if any(verifies(key, signature.sig, message) for signature in envelope.signatures)
    }
    if not signers:
        raise VerificationFailed(
            "none of the keys you trust has signed the statement; it was changed, or is another's"
        )
    if len(signers) < threshold:
        raise VerificationFailed(
            f"{len(signers)} of the keys you trust have signed the statement, not {threshold}"
        )
    if envelope.payload_type != payload_type:
        raise VerificationFailed(f"the signed payload is not of the type {payload_type}")
    return Opened(envelope.payload, tuple(signers.values()))


def verifies(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    """Whether this is the key's signature; that it is another's is no failure in an envelope."""
    try:
        verify_ed25519(key, signature, message)
    except VerificationFailed:
        return False
    return True


def to_json(envelope: Envelope) -> dict[str, Any]:
    """The JSON envelope (envelope.md), in standard base64; an empty key id is left out."""
    return {
        "payload": to_base64(envelope.payload),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"sig": to_base64(s.sig)} | ({"keyid": s.keyid} if s.keyid else {})
            for s in envelope.signatures
        ],
    }


def from_json(value: Any) -> Envelope:
    """An envelope from parsed JSON, in either base64 alphabet; unknown members are ignored."""
    signatures = [
        Signature(
            from_either_base64(member(signature, "sig", str)),
            member({"keyid": ""} | signature, "keyid", str),
        )
        for signature in member(value, "signatures", list)
    ]
    payload = from_either_base64(member(value, "payload", str))
    return Envelope(payload, member(value, "payloadType", str), tuple(signatures))
