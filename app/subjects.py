"""Turns what names a person into the keyed hash by which the ledger knows them."""

import hashlib
import hmac
import unicodedata

MAX_LENGTH = 512


def subject_key(identifier: str, pepper: str) -> bytes:
    """HMAC-SHA256 of the normalised identifier under the pepper, 32 bytes.

    Normalised (NFKC, surrounding blanks off, case folded) so that `Ada@Example.org ` and
    `ada@example.org` are one person. The identifier itself is stored nowhere.
    """
    normal = unicodedata.normalize("NFKC", identifier).strip().casefold()
    if not normal or len(normal) > MAX_LENGTH:
        raise ValueError(f"a subject identifier has 1 to {MAX_LENGTH} characters")
    return hmac.new(pepper.encode(), normal.encode(), hashlib.sha256).digest()
