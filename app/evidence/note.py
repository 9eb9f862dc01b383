"""Signed notes: a text with signature lines under it, and the keys that check them.

C2SP signed-note (c2sp.org/signed-note), with the cosignatures of C2SP tlog-cosignature.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from re import fullmatch

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.evidence.errors import VerificationFailed
from app.evidence.strict import from_base64, from_utf8, shown, to_base64

# The format asks for a limit of at least 16.
MOST_SIGNATURES = 100
KEY_ID_SIZE = 4
PUBLIC_KEY_SIZE = 32
TIME_SIZE = 8
LAST_TIME = 253_402_300_799  # the end of the year 9999, the last that a datetime can show


class SignatureType(IntEnum):
    """What a key signs, and how: the byte assigned by C2SP signed-note.

    ML-DSA-44 cosignatures have 0x06. To add them: a member here, its key size in `parse_vkey`, and
    a branch in `check`, where the signed message follows from the checkpoint in the text.
    """

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True)
class VerifierKey:
    """A public key under the name by which a note mentions it."""

    name: str
    public_key: bytes
    type: SignatureType = SignatureType.ED25519

    @property
    def id(self) -> bytes:
        """SHA-256(name || 0x0A || type || public key), the first 4 bytes."""
        material = self.name.encode() + b"\n" + bytes([self.type]) + self.public_key
        return sha256(material).digest()[:KEY_ID_SIZE]


@dataclass(frozen=True)
class Signature:
    """One signature line: by whom, and the bytes of the signature without the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A text that ends in a newline, and its signature lines."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Signed:
    """A trusted key that signed; a cosignature says when, in POSIX seconds."""

    key: VerifierKey
    time: int | None


def verifier_key(
    name: str, private_key: Ed25519PrivateKey, type: SignatureType = SignatureType.ED25519
) -> VerifierKey:
    """The public half of a key, under a name. ValueError for names that notes cannot carry."""
    if not is_key_name(name):
        raise ValueError(f"a key name has no spaces, no plus and is not empty: {name!r}")
    return VerifierKey(name, private_key.public_key().public_bytes_raw(), type)


def vkey(key: VerifierKey) -> str:
    """The text form of a key: `name+hex(id)+base64(type || public key)`."""
    return f"{key.name}+{key.id.hex()}+{to_base64(bytes([key.type]) + key.public_key)}"


def parse_vkey(text: str) -> VerifierKey:
    """The key that a text form names; a newline around it is forgiven, a wrong id is not."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]):
        raise VerificationFailed(f"{shown(text)} is not a key of the form name+id+key")
    material = from_base64(parts[2])
    if material[:1] not in [bytes([known]) for known in SignatureType]:
        raise VerificationFailed(f"the key {shown(parts[0])} is of a kind this program lacks")
    if len(material) != 1 + PUBLIC_KEY_SIZE:
        raise VerificationFailed(f"the key {shown(parts[0])} has the wrong length")
    key = VerifierKey(parts[0], material[1:], SignatureType(material[0]))
    if key.id.hex() != parts[1].lower():
        raise VerificationFailed(f"the key {shown(parts[0])} does not have the id it claims")
    return key


def is_key_name(name: str) -> bool:
    """Not empty, with no Unicode space, no plus, no control character."""
    return name != "" and not any(c.isspace() or c == "+" or ord(c) < 0x20 for c in name)


def sign(text: str, *, name: str, private_key: Ed25519PrivateKey) -> Signature:
    """An Ed25519 signature (0x01) over the text."""
    key = verifier_key(name, private_key)
    return Signature(name, key.id, private_key.sign(text.encode()))


def cosign(text: str, *, name: str, private_key: Ed25519PrivateKey, time: int) -> Signature:
    """A timestamped Ed25519 cosignature (0x04); `time` is in POSIX seconds."""
    key = verifier_key(name, private_key, SignatureType.COSIGNATURE)
    signature = private_key.sign(cosigned_message(text, time))
    return Signature(name, key.id, time.to_bytes(TIME_SIZE) + signature)


def cosigned_message(text: str, time: int) -> bytes:
    """What a cosignature signs: two lines of its own before the text (Ed25519 signed message)."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def encode(note: Note) -> bytes:
    """The note as bytes: text, blank line, one line per signature."""
    lines = [f"— {s.name} {to_base64(s.key_id + s.signature)}\n" for s in note.signatures]
    return (note.text + "\n" + "".join(lines)).encode()


def parse(data: bytes) -> Note:
    """The text and the signature lines of a note, none of them checked yet."""
    everything = from_utf8(data)
    if any(c < " " and c != "\n" for c in everything):
        raise VerificationFailed("the note contains control characters")
    # The last blank line separates: the text may contain others.
    text, blank, below = everything.rpartition("\n\n")
    lines = below.split("\n")
    if not blank or lines.pop() != "" or not lines:
        raise VerificationFailed("the note has no signature lines under a blank line")
    if len(lines) > MOST_SIGNATURES:
        raise VerificationFailed(f"the note has more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines))


def parse_signature(line: str) -> Signature:
    """One line: em dash, name, base64 of key id and signature, with single spaces between."""
    found = fullmatch(r"— ([^ ]+) ([^ ]+)", line)
    if found is None or not is_key_name(found[1]):
        raise VerificationFailed(f"{shown(line)} is not a signature line")
    blob = from_base64(found[2])
    if len(blob) <= KEY_ID_SIZE:
        raise VerificationFailed(f"the signature line of {shown(found[1])} has no signature")
    return Signature(found[1], blob[:KEY_ID_SIZE], blob[KEY_ID_SIZE:])


def verify(note: Note, keys: Iterable[VerifierKey]) -> list[Signed]:
    """The trusted keys that signed the note, each once, in the order of the note.

    Lines of unknown keys are ignored, even under a known name. A line of a known key that does not
    verify condemns the whole note, as does having no line of a known key.
    """
    trusted = {(key.name, key.id): key for key in keys}
    signed = dict[VerifierKey, Signed]()
    for line in note.signatures:
        key = trusted.get((line.name, line.key_id))
        if key is not None:
            signed.setdefault(key, Signed(key, check(key, note.text, line.signature)))
    if not signed:
        raise VerificationFailed("none of the keys you trust has signed the checkpoint")
    return list(signed.values())


def check(key: VerifierKey, text: str, signature: bytes) -> int | None:
    """Fail unless the key signed the text; the time of a cosignature, None for the rest."""
    match key.type:
        case SignatureType.ED25519:
            verify_ed25519(key, signature, text.encode())
            return None
        case SignatureType.COSIGNATURE:
            time = int.from_bytes(signature[:TIME_SIZE])
            verify_ed25519(key, signature[TIME_SIZE:], cosigned_message(text, time))
            if time > LAST_TIME:
                raise VerificationFailed(f"{shown(key.name)} cosigned beyond the year 9999")
            return time


def verify_ed25519(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """Fail unless this is the key's signature over the message (RFC 8032, section 5.1.7)."""
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except InvalidSignature as error:
        raise VerificationFailed(f"the signature of {shown(key.name)} does not verify") from error
