"""One byte string per JSON value (RFC 8785), and the salted hashes that stand for it in the ledger.

A ledger leaf holds a commitment instead of a payload, so that a payload and its salt can be
destroyed later while every proof about the leaf stays valid.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import rfc8785

# One length, so that no byte can move from the end of the salt to the start of the payload and
# give one commitment two openings. 32 bytes, so that the payload cannot be guessed through it.
SALT_SIZE = 32

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def canonical(payload: Json) -> bytes:
    """The canonical JSON of a payload (RFC 8785, section 3.2), in UTF-8.

    Keep the bytes and hash those: Python reads a float such as 1e17 back as an integer, which has
    no canonical form. ValueError for what the form cannot say: NaN, infinities, integers beyond
    2^53 - 1, lone surrogates, keys that are not strings, and every other Python type.
    """
    return rfc8785.dumps(payload)


def digest(payload: Json) -> bytes:
    """SHA-256 of the canonical JSON of a payload; 32 bytes."""
    return sha256(canonical(payload)).digest()


def commitment(salt: bytes, payload: Json) -> bytes:
    """SHA-256(salt || canonical payload), 32 bytes: binding with the salt, silent without it.

    ValueError unless the salt is SALT_SIZE bytes; draw it with `secrets.token_bytes`.
    """
    return commitment_to_bytes(salt, canonical(payload))


def commitment_to_bytes(salt: bytes, payload: bytes) -> bytes:
    """The commitment to a payload that is canonical JSON already."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt has {SALT_SIZE} bytes, not {len(salt)}")
    return sha256(salt + payload).digest()


def leaf_data(kind: str, hour: datetime, commitment: bytes) -> bytes:
    """What the tree hashes for one ledger entry: canonical `{type, hour, commitment}`.

    The hour is the UTC hour in which `hour` falls: a finer time would help to tell people apart.
    ValueError for a datetime without a time zone.
    """
    return canonical({"commitment": commitment.hex(), "hour": utc_hour(hour), "type": kind})


def utc_hour(moment: datetime) -> str:
    """The start of the UTC hour in which a moment falls, as RFC 3339: `2026-01-31T09:00:00Z`."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone falls in no particular hour")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:00:00Z")
