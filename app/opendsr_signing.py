"""Signs what is said over OpenDSR, with the operator's key and under the operator's certificate.

OpenDSR 2.0, sections 4 and 8: the signature is over the SHA-256 of the raw body. Those who speak
it sign by RSASSA-PKCS1-v1_5 (FIPS 186-4, section 5.5), so that is the kind of key it has to be.
"""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from app.config import Settings

LEAST_BITS = 2048
# The second is the name that OpenDSR had before, which is to be honoured (section 10.1).
NAMES = ("OpenDSR", "OpenGDPR")


class BadIdentity(ValueError):
    """OpenDSR is switched on, and its key or certificate cannot be used."""


@dataclass(frozen=True)
class Identity:
    """As whom this processor signs."""

    domain: str
    key: RSAPrivateKey
    certificates: bytes  # PEM, its own first

    def headers(self, body: bytes) -> dict[str, str]:
        """Who says this, and the signature over it."""
        signature = b64encode(self.key.sign(body, PKCS1v15(), SHA256())).decode()
        told: dict[str, str] = {}
        for name in NAMES:
            told[f"X-{name}-Processor-Domain"] = self.domain
            told[f"X-{name}-Signature"] = signature
        return told


def load(settings: Settings) -> Identity | None:
    """Who signs; None where OpenDSR is not switched on. Raises BadIdentity."""
    domain = settings.opendsr_domain
    if not domain:
        return None
    told = read(settings.opendsr_certificate, "LACUNA_OPENDSR_CERTIFICATE")
    key = private_key(read(settings.opendsr_key, "LACUNA_OPENDSR_KEY"))
    try:
        own, *issuers = x509.load_pem_x509_certificates(told)
    except ValueError as error:
        raise BadIdentity("LACUNA_OPENDSR_CERTIFICATE holds no certificate in PEM") from error
    if own.public_key() != key.public_key():
        raise BadIdentity("LACUNA_OPENDSR_CERTIFICATE is not that of LACUNA_OPENDSR_KEY")
    if domain not in names_of(own):
        raise BadIdentity(f"LACUNA_OPENDSR_CERTIFICATE is not for {domain}")
    # Only these are shown to everybody, whatever else the file holds.
    public = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (own, *issuers))
    return Identity(domain, key, public)


def required(settings: Settings) -> Identity:
    """Who signs. Raises BadIdentity also where OpenDSR was switched off."""
    if (identity := load(settings)) is None:
        raise BadIdentity("LACUNA_OPENDSR_DOMAIN is not set, and a callback waits to be signed")
    return identity


def read(path: Path | None, setting: str) -> bytes:
    if path is None:
        raise BadIdentity(f"LACUNA_OPENDSR_DOMAIN is set, and {setting} is not")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadIdentity(f"{setting} cannot be read: {error.strerror}") from error


def private_key(pem: bytes) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise BadIdentity("LACUNA_OPENDSR_KEY holds no private key in plain PEM") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise BadIdentity(f"LACUNA_OPENDSR_KEY is not an RSA key of {LEAST_BITS} bits or more")
    return key


def names_of(certificate: x509.Certificate) -> list[str]:
    """The domains that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)
