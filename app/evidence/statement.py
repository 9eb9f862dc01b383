"""Statements about weights: what was done to make them (in-toto Statement v1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.evidence.canonical import canonical
from app.evidence.errors import VerificationFailed
from app.evidence.strict import SHA256_HEX, from_json, member, shown

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
WEIGHTS = ".safetensors"  # how a statement calls weights; it may be about a set of samples instead
# A name, not a place: nothing is ever fetched from it, and `.example` can belong to nobody.
UNLEARNING_TYPE = "https://lacuna.example/unlearning/v1"


@dataclass(frozen=True)
class Statement:
    """What is said of some artefacts, each named and known by its SHA-256 in lowercase hex."""

    subjects: Mapping[str, str]
    predicate: Mapping[str, Any]
    predicate_type: str = UNLEARNING_TYPE


def encode(statement: Statement) -> bytes:
    """The statement as canonical JSON, which is both signed and committed to in the ledger.

    ValueError as for `to_json`, and for a predicate that JSON cannot say.
    """
    return canonical(to_json(statement))


def to_json(statement: Statement) -> dict[str, Any]:
    """The statement as in-toto writes it.

    ValueError without a subject, and for a digest that is not SHA-256 in lowercase hex.
    """
    bad = [d for d in statement.subjects.values() if not SHA256_HEX.fullmatch(d)]
    if bad or not statement.subjects:
        raise ValueError(f"a statement names artefacts by SHA-256 in lowercase hex, not {bad}")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in sorted(statement.subjects.items())
        ],
        "predicateType": statement.predicate_type,
        "predicate": dict(statement.predicate),
    }


def parse(payload: bytes) -> Statement:
    """The statement in a payload that has been verified; members unknown to us are ignored."""
    value = from_json(payload)
    if member(value, "_type", str) != STATEMENT_TYPE:
        raise VerificationFailed(f"the signed payload is not a {STATEMENT_TYPE}")
    entries = [subject(entry) for entry in member(value, "subject", list)]
    subjects = dict(entries)
    if not entries or len(subjects) != len(entries):
        raise VerificationFailed("the statement names no weights, or one name twice")
    return Statement(
        subjects, member(value, "predicate", dict), member(value, "predicateType", str)
    )


def weights(statement: Statement) -> dict[str, str]:
    """By name: the digests of the weights that a statement is about; none of a denial, say."""
    return {name: d for name, d in statement.subjects.items() if name.endswith(WEIGHTS)}


def requests(statement: Statement) -> list[str]:
    """The ids of the deletion requests that a statement of unlearning answers."""
    ids = member(statement.predicate, "requests", list)
    if not all(isinstance(request_id, str) for request_id in ids):
        raise VerificationFailed("the statement does not name the requests that it answers")
    return ids


def subject(entry: Any) -> tuple[str, str]:
    """Name and SHA-256 of one subject (ResourceDescriptor)."""
    name = member(entry, "name", str)
    digest = member(member(entry, "digest", dict), "sha256", str)
    if not SHA256_HEX.fullmatch(digest):
        raise VerificationFailed(f"{shown(digest)} is not a SHA-256 digest")
    return name, digest
