from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from app import opendsr_signing
from app.api.faces import Opendsr
from app.config import Settings
from app.main import create_app
from app.opendsr_signing import BadIdentity, Identity
from tests import certificates
from tests.api.conftest import FakeQueue
from tests.certificates import DOMAIN, certificate, is_signed, pem, private_key

OWN = certificate(private_key()).public_bytes(Encoding.PEM)
IDENTITY = Identity(DOMAIN, private_key(), OWN)


@given(st.binary(max_size=300))
def test_a_signature_is_verified_by_arithmetic_alone(body: bytes) -> None:
    headers = {name.lower(): value for name, value in IDENTITY.headers(body).items()}

    assert is_signed(OWN, body, headers)
    assert not is_signed(OWN, body + b" ", headers)


def test_the_names_that_the_protocol_had_before_are_sent_too() -> None:
    headers = IDENTITY.headers(b"{}")

    assert headers["X-OpenDSR-Processor-Domain"] == DOMAIN
    assert headers["X-OpenGDPR-Processor-Domain"] == DOMAIN
    assert headers["X-OpenGDPR-Signature"] == headers["X-OpenDSR-Signature"]


def test_without_a_domain_nothing_is_loaded() -> None:
    assert opendsr_signing.load(Settings(opendsr_key=Path("nowhere"))) is None
    with pytest.raises(BadIdentity, match="LACUNA_OPENDSR_DOMAIN is not set"):
        opendsr_signing.required(Settings())


def test_a_key_with_its_certificate_is_loaded(tmp_path: Path) -> None:
    settings = Settings(**certificates.write(tmp_path))

    loaded = opendsr_signing.required(settings)

    assert loaded.domain == DOMAIN
    assert loaded.certificates == (tmp_path / "opendsr-certificate.pem").read_bytes()
    assert loaded.key.private_numbers() == private_key().private_numbers()


def test_a_key_that_lies_beside_its_certificate_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(**certificates.write(tmp_path))
    file = tmp_path / "opendsr-certificate.pem"
    own = file.read_bytes()
    file.write_bytes(pem(private_key()) + own + OWN)

    assert opendsr_signing.required(settings).certificates == own + OWN


def no_key(folder: Path) -> dict[str, Any]:
    return {"opendsr_key": None}


def missing_key(folder: Path) -> dict[str, Any]:
    return {"opendsr_key": folder / "nowhere.pem"}


def garbled_key(folder: Path) -> dict[str, Any]:
    (folder / "opendsr-key.pem").write_text("-----BEGIN")
    return {}


def elliptic_key(folder: Path) -> dict[str, Any]:
    (folder / "opendsr-key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    return {}


def short_key(folder: Path) -> dict[str, Any]:
    (folder / "opendsr-key.pem").write_bytes(pem(private_key(1024)))
    return {}


def garbled_certificate(folder: Path) -> dict[str, Any]:
    (folder / "opendsr-certificate.pem").write_text("none")
    return {}


def anothers_certificate(folder: Path) -> dict[str, Any]:
    others = certificate(private_key(1024)).public_bytes(Encoding.PEM)
    (folder / "opendsr-certificate.pem").write_bytes(others)
    return {}


def another_domain(folder: Path) -> dict[str, Any]:
    return {"opendsr_domain": "example.org"}


def private_callback(folder: Path) -> dict[str, Any]:
    return {"opendsr_callbacks": "https://10.0.0.1/dsr"}


def callback_spelled_otherwise(folder: Path) -> dict[str, Any]:
    return {"opendsr_callbacks": "https://Example.com/dsr"}


def no_callback_at_all(folder: Path) -> dict[str, Any]:
    return {"opendsr_callbacks": "gopher://example.com"}


WRONG: dict[Callable[[Path], dict[str, Any]], str] = {
    no_key: "LACUNA_OPENDSR_KEY is not",
    missing_key: "LACUNA_OPENDSR_KEY cannot be read: No such file",
    garbled_key: "no private key in plain PEM",
    elliptic_key: "not an RSA key of 2048 bits",
    short_key: "not an RSA key of 2048 bits",
    garbled_certificate: "no certificate in PEM",
    anothers_certificate: "is not that of LACUNA_OPENDSR_KEY",
    another_domain: "is not for example.org",
    private_callback: "not a public one",
    callback_spelled_otherwise: "it is spelled https://example.com/dsr",
    no_callback_at_all: "not an http:// or https:// URL",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_what_can_never_work_is_said_at_the_start(
    wrong: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    told = certificates.write(tmp_path) | wrong(tmp_path)
    settings = Settings(database_url="postgresql+psycopg:///unused", **told)

    with pytest.raises(BadIdentity, match=WRONG[wrong]):
        create_app(settings, FakeQueue())


def test_callbacks_are_listed_whole(tmp_path: Path) -> None:
    urls = "https://a.example.com/dsr https://b.example.com/x?y=1"

    face = Opendsr.of(Settings(opendsr_callbacks=urls, **certificates.write(tmp_path)))

    assert face is not None
    assert face.callbacks == set(urls.split())
    assert face.identity_types == {"email", "controller_customer_id"}
