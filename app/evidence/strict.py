"""Reads text in the one form its format allows, so that no two texts mean the same evidence."""

import json
import re
from base64 import b64decode, b64encode
from typing import Any

from app.evidence.errors import VerificationFailed

HASH_SIZE = 32

# No leading zeros, ASCII digits only, and few enough for a signed 64-bit integer.
DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}")
SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def from_base64(text: str) -> bytes:
    """Bytes from standard base64 with its padding (RFC 4648, section 4), unused bits zero."""
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise VerificationFailed(f"{shown(text)} is not base64") from error
    if to_base64(data) != text:
        raise VerificationFailed(f"{shown(text)} is not base64 in its only spelling")
    return data


def from_either_base64(text: str) -> bytes:
    """Bytes from the standard or the URL-safe alphabet (RFC 4648, sections 4 and 5), not mixed."""
    if "+" in text or "/" in text:
        return from_base64(text)
    return from_base64(text.replace("-", "+").replace("_", "/"))


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return b64encode(data).decode()


def hash_from_base64(text: str) -> bytes:
    """One SHA-256 hash from standard base64."""
    data = from_base64(text)
    if len(data) != HASH_SIZE:
        raise VerificationFailed(f"a hash has {HASH_SIZE} bytes, not {len(data)}")
    return data


def from_decimal(text: str) -> int:
    """A count from ASCII digits without leading zeros."""
    if not DECIMAL.fullmatch(text):
        raise VerificationFailed(f"{shown(text)} is not a count")
    return int(text)


def from_utf8(data: bytes) -> str:
    """Text from UTF-8 bytes (RFC 3629)."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise VerificationFailed(f"byte {error.start} is not UTF-8") from error


def from_json(data: bytes) -> Any:
    """A JSON value (RFC 8259) in UTF-8, without repeated names, NaN, or lone surrogates."""
    text = from_utf8(data)
    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails on lone surrogates
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(f"this is not JSON: {error}") from error
    return value


def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: of two, readers would disagree which one counts."""
    value = dict(members)
    if len(value) != len(members):
        raise VerificationFailed("a JSON object has the same name twice")
    return value


def refuse_constant(name: str) -> None:
    """NaN and the infinities are no JSON, though Python reads them."""
    raise VerificationFailed(f"{name} is not JSON")


def member(value: Any, name: str, kind: type) -> Any:
    """A member of a JSON object, which must be there and of this kind."""
    if not isinstance(value, dict) or not isinstance(value.get(name), kind):
        raise VerificationFailed(f"`{name}` is missing or of the wrong kind")
    return value[name]


def shown(text: str) -> str:
    """A foreign text for a message: short, and with nothing that could steer a terminal."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
