"""Signatures of weights that the public client `model_signing` verifies (OpenSSF, v1.0).

A Sigstore bundle (v0.3) around a DSSE envelope around an in-toto statement that lists every file of
the model. Ours has one, the weights, named `.` as that client names a model that is a single file,
so the file may be called anything.

That client takes keys on the NIST curves only, so the ledger's Ed25519 key cannot sign here. The
key that does is derived from it: there is no second secret to keep, and it is rotated with it.
"""

import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.evidence import dsse
from app.evidence.canonical import canonical
from app.evidence.dsse import Envelope, Signature
from app.evidence.statement import PAYLOAD_TYPE, Statement, encode
from app.evidence.strict import SHA256_HEX

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
THE_FILE_ITSELF = "."
PURPOSE = b"lacuna model signing, P-256"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
WIDE = 48  # bytes: 128 bits more than the order has, so that no key is likelier than another


def model_key(log_key: Ed25519PrivateKey) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that belongs to a key of the ledger.

    HKDF (RFC 5869) for a purpose of its own, then reduction with extra bits (FIPS 186-5, A.2.1).
    """
    derived = HKDF(hashes.SHA256(), WIDE, salt=None, info=PURPOSE).derive(
        log_key.private_bytes_raw()
    )
    return ec.derive_private_key(int.from_bytes(derived) % (P256_ORDER - 1) + 1, ec.SECP256R1())


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, as the client takes it."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def hint(pem: bytes) -> str:
    """How bundles name the key that signed them: SHA-256, in hex, of its public half as PEM."""
    return hashlib.sha256(pem).hexdigest()


def bundle(name: str, weights_sha256: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """`model.sig` for weights of this digest; the same arguments give the same bytes.

    `name` is what the model is called in the statement. ValueError unless the digest is SHA-256 in
    lowercase hex.
    """
    envelope = Envelope(encode(statement(name, weights_sha256)), PAYLOAD_TYPE)
    signed = key.sign(
        dsse.pae(envelope.payload_type, envelope.payload),
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True),  # RFC 6979
    )
    return canonical(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {
                "publicKey": {"hint": hint(public_pem(key))},
                "tlogEntries": [],
            },
            "dsseEnvelope": dsse.to_json(
                Envelope(envelope.payload, envelope.payload_type, (Signature(signed),))
            ),
        }
    )


def statement(name: str, weights_sha256: str) -> Statement:
    """The weights as the model's one file; the subject's digest is over the files' digests."""
    if not SHA256_HEX.fullmatch(weights_sha256):
        raise ValueError(f"weights are known by SHA-256 in lowercase hex, not {weights_sha256!r}")
    whole = hashlib.sha256(bytes.fromhex(weights_sha256)).hexdigest()
    predicate: dict[str, Any] = {
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        "resources": [{"name": THE_FILE_ITSELF, "algorithm": "sha256", "digest": weights_sha256}],
    }
    return Statement({name: whole}, predicate, predicate_type=PREDICATE_TYPE)
