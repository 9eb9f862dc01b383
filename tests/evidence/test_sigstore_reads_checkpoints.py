"""sigstore's reader of Rekor's checkpoints, which are C2SP signed notes, reads and checks ours.

It is the well-kept reader of checkpoints on PyPI; it lies in a private module, so its version is
pinned. What C2SP has and Rekor has not, cosignatures and more than one ledger key, it passes over.
"""

from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore._utils import KeyID
from sigstore.errors import VerificationError

from app.evidence import checkpoint, note
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.evidence.signer import Signer
from tests.evidence.issuing import LOG, LOG_KEY, ORIGIN, REVIEWER, THIEF, WITNESS

checkpoints = st.builds(
    Checkpoint, st.just(ORIGIN), st.integers(0, 10**17), st.binary(min_size=32, max_size=32)
)


class Keyring:
    """Knows one ledger key, by the id that C2SP gives it."""

    def __init__(self, key: VerifierKey) -> None:
        self.key = key

    def verify(self, *, key_id: KeyID, signature: bytes, data: bytes) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.key.public_key).verify(signature, data)
        except InvalidSignature as error:
            raise VerificationError("it does not verify") from error


def check(theirs: SignedCheckpoint, key: VerifierKey = LOG_KEY) -> None:
    material = key.name.encode() + b"\n\x01" + key.public_key
    theirs.signed_note.verify(Keyring(key), KeyID(sha256(material).digest()))  # type: ignore[arg-type]  # duck-typed


@given(head=checkpoints)
def test_it_reads_what_we_sign(head: Checkpoint) -> None:
    theirs = SignedCheckpoint.from_text(checkpoint.sign(head, LOG).decode())

    check(theirs)
    read = theirs.checkpoint
    assert (read.origin, read.log_size, read.log_hash) == (ORIGIN, head.size, head.root.hex())
    assert read.other_content == []


def test_it_finds_our_signature_among_those_of_a_second_key_and_of_a_witness() -> None:
    both = Signer(ORIGIN, (REVIEWER, LOG)).checkpoint(7, bytes(32))
    signed = checkpoint.cosign(both, name="witness.example", private_key=WITNESS, time=1)

    theirs = SignedCheckpoint.from_text(signed.decode())

    assert [each.name for each in theirs.signed_note.signatures] == [
        ORIGIN,
        ORIGIN,
        "witness.example",
    ]
    check(theirs)
    check(theirs, note.verifier_key(ORIGIN, REVIEWER))


def test_it_refuses_what_we_refuse() -> None:
    signed = checkpoint.sign(Checkpoint(ORIGIN, 7, bytes(32)), LOG)
    grown = signed.replace(b"\n7\n", b"\n8\n")

    with pytest.raises(VerificationFailed):
        checkpoint.verify(grown, [LOG_KEY])
    with pytest.raises(VerificationError, match="invalid signature"):
        check(SignedCheckpoint.from_text(grown.decode()))
    with pytest.raises(VerificationError, match="not found"):
        check(SignedCheckpoint.from_text(signed.decode()), note.verifier_key(ORIGIN, THIEF))
    with pytest.raises(VerificationError, match="blank line"):
        SignedCheckpoint.from_text(signed.decode().replace("\n\n", "\n"))
