"""Signs for a ledger, with one key or, while one key takes the place of another, with both."""

from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence import checkpoint, dsse, note
from app.evidence.checkpoint import Checkpoint
from app.evidence.dsse import Envelope
from app.evidence.note import VerifierKey
from app.evidence.statement import PAYLOAD_TYPE


@dataclass(frozen=True)
class Signer:
    """The ledger's name and its private keys, newest first; at least one.

    While two keys are in use everything has two signatures, so that whoever knows only the old key
    and whoever knows only the new one can check it.
    """

    origin: str
    keys: tuple[Ed25519PrivateKey, ...]

    @property
    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """The public halves, in the same order."""
        return tuple(note.verifier_key(self.origin, key) for key in self.keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """How envelopes name the keys: as the ledger's notes do, in the same order."""
        return tuple(f"{key.name}+{key.id.hex()}" for key in self.verifier_keys)

    def checkpoint(self, size: int, root: bytes) -> bytes:
        """A signed note over this size and root."""
        first, *others = self.keys
        signed = note.parse(checkpoint.sign(Checkpoint(self.origin, size, root), first))
        lines = [note.sign(signed.text, name=self.origin, private_key=key) for key in others]
        return note.encode(replace(signed, signatures=(*signed.signatures, *lines)))

    def statement(self, payload: bytes) -> Envelope:
        """A statement's bytes in an envelope."""
        envelope = Envelope(payload, PAYLOAD_TYPE)
        for key, keyid in zip(self.keys, self.key_ids, strict=True):
            envelope = dsse.sign(envelope, key, keyid=keyid)
        return envelope
