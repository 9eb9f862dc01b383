"""Reads public keys from a file, one a line, as `GET /v1/ledger/key` gives them out."""

from pathlib import Path

from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey, parse_vkey
from app.evidence.strict import from_utf8
from app.evidence.witnesses import of_witness


def read_keys(path: Path) -> list[VerifierKey]:
    """The keys of a file. OSError if it cannot be read, VerificationFailed if it holds none."""
    keys = [parse_vkey(line) for line in from_utf8(path.read_bytes()).splitlines() if line.strip()]
    if not keys:
        raise VerificationFailed(f"{path} holds no key")
    return keys


def read_witnesses(path: Path) -> list[VerifierKey]:
    """The same of a file that holds keys of witnesses only."""
    return [of_witness(key) for key in read_keys(path)]
