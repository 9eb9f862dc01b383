"""Keys and certificates for OpenDSR, and a check of its signatures by arithmetic alone."""

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

DOMAIN = "forget.example.com"
# DER of the DigestInfo of a SHA-256 without the digest (RFC 8017, section 9.2, note 1).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@cache
def private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same in every test: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(key: Any, domain: str = DOMAIN) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, domain)])
    began = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, SHA256())
    )


def pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write(folder: Path) -> dict[str, Any]:
    """Write a key and its certificate; returns the settings that switch OpenDSR on with them."""
    key = private_key()
    (folder / "opendsr-key.pem").write_bytes(pem(key))
    own = certificate(key).public_bytes(serialization.Encoding.PEM)
    (folder / "opendsr-certificate.pem").write_bytes(own)
    return {
        "opendsr_domain": DOMAIN,
        "opendsr_key": folder / "opendsr-key.pem",
        "opendsr_certificate": folder / "opendsr-certificate.pem",
    }


def is_signed(certificates: bytes, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a body has a good signature, by the arithmetic of RFC 8017, section 8.2.2."""
    public = x509.load_pem_x509_certificates(certificates)[0].public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    numbers = public.public_numbers()
    size = public.key_size // 8
    signature = int.from_bytes(b64decode(headers["x-opendsr-signature"], validate=True), "big")
    encoded = pow(signature, numbers.e, numbers.n).to_bytes(size, "big")
    digest = DIGEST_INFO + hashlib.sha256(body).digest()
    return encoded == b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
