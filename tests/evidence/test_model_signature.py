"""The public client verifies our weights, and refuses what it should."""

import hashlib
import json
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from model_signing import verifying

from app.evidence.model_signature import P256_ORDER, bundle, model_key, public_pem
from tests.evidence.issuing import LOG, THIEF

WEIGHTS = bytes(range(256)) * 40
# Of the key that belongs to LOG: were it derived otherwise, no published signature would verify.
PUBLISHED = "4916eb19d1af222bca629e33615d39e57d123dec50d79d1692f904634bd66ace"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


def verify(
    folder: Path, *, weights: bytes = WEIGHTS, signature: bytes, key: Ed25519PrivateKey = LOG
) -> None:
    """As `model_signing verify key` does; raises what it raises."""
    (folder / "downloaded.bin").write_bytes(weights)
    (folder / "model.sig").write_bytes(signature)
    (folder / "model.pub").write_bytes(public_pem(model_key(key)))
    client = verifying.Config()  # type: ignore[no-untyped-call]  # it says nothing of its result
    client.use_elliptic_key_verifier(public_key=folder / "model.pub").verify(
        folder / "downloaded.bin", folder / "model.sig"
    )


def test_the_public_client_verifies_weights_under_any_file_name(tmp_path: Path) -> None:
    verify(tmp_path, signature=bundle("faces-2", DIGEST, model_key(LOG)))


@pytest.mark.parametrize("place", [0, len(WEIGHTS) // 2, len(WEIGHTS) - 1])
def test_it_refuses_weights_that_differ_in_one_byte(tmp_path: Path, place: int) -> None:
    changed = bytearray(WEIGHTS)
    changed[place] ^= 1

    with pytest.raises(ValueError, match=r"Signature mismatch: .*Hash mismatch"):
        verify(
            tmp_path, weights=bytes(changed), signature=bundle("faces-2", DIGEST, model_key(LOG))
        )


def test_it_refuses_another_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Key mismatch"):
        verify(tmp_path, signature=bundle("faces-2", DIGEST, model_key(LOG)), key=THIEF)


def test_it_refuses_a_signature_that_only_claims_to_be_of_the_key(tmp_path: Path) -> None:
    mine, theirs = (json.loads(bundle("faces-2", DIGEST, model_key(key))) for key in (LOG, THIEF))
    forged = theirs | {"verificationMaterial": mine["verificationMaterial"]}

    with pytest.raises(InvalidSignature):
        verify(tmp_path, signature=json.dumps(forged).encode())


def test_it_refuses_the_signature_of_other_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Signature mismatch"):
        verify(tmp_path, signature=bundle("faces-2", "ab" * 32, model_key(LOG)))


def test_the_same_weights_have_the_same_signature() -> None:
    assert bundle("faces-2", DIGEST, model_key(LOG)) == bundle("faces-2", DIGEST, model_key(LOG))


def test_each_ledger_key_has_one_model_key_and_no_other_has_it() -> None:
    scalars = [model_key(key).private_numbers().private_value for key in (LOG, LOG, THIEF)]

    assert scalars[0] == scalars[1] != scalars[2]
    assert isinstance(model_key(LOG).curve, ec.SECP256R1)
    assert all(0 < scalar < P256_ORDER for scalar in scalars)
    assert hashlib.sha256(public_pem(model_key(LOG))).hexdigest() == PUBLISHED


def test_the_statement_names_the_model_and_the_digest_of_its_file() -> None:
    told = json.loads(bundle("faces-2", DIGEST, model_key(LOG)))

    payload = json.loads(b64decode(told["dsseEnvelope"]["payload"]))
    whole = hashlib.sha256(bytes.fromhex(DIGEST)).hexdigest()
    assert payload["subject"] == [{"name": "faces-2", "digest": {"sha256": whole}}]
    assert payload["predicate"]["resources"][0]["digest"] == DIGEST


@pytest.mark.parametrize("digest", ["", "ab", DIGEST.upper(), DIGEST + "00"])
def test_a_digest_that_is_none_is_not_signed(digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256 in lowercase hex"):
        bundle("faces-2", digest, model_key(LOG))
