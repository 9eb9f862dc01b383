"""The ledger over HTTP, checked as a stranger would: with its answers and app.evidence alone."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.evidence import checkpoint, merkle, note
from app.evidence.canonical import leaf_data
from app.evidence.checkpoint import Checkpoint
from app.evidence.strict import from_base64
from tests.api.conftest import Call
from tests.ledger.signing import BOTH, append, sequence, sequenced

SIZE = 8


@pytest.fixture
def signed(session: Session) -> Checkpoint:
    """A ledger of eight entries in three batches; its newest checkpoint."""
    sequenced(session, 2)
    sequenced(session, 3)
    return checked(sequenced(session, 2).decode(), session)


def checked(text: str, session: Session) -> Checkpoint:
    (key,) = BOTH.verifier_keys[1:]
    return checkpoint.verify(text.encode(), [key]).checkpoint


def hashes(proof: dict[str, Any]) -> list[bytes]:
    return [from_base64(value) for value in proof["hashes"]]


def test_the_checkpoint_is_the_signed_note_and_its_key_is_served(
    http: TestClient, signed: Checkpoint
) -> None:
    head, keys = http.get("/v1/ledger/checkpoint"), http.get("/v1/ledger/key")

    assert head.headers["content-type"] == "text/plain; charset=utf-8"
    trusted = [note.parse_vkey(line) for line in keys.text.splitlines()]
    assert checkpoint.verify(head.content, trusted).checkpoint == signed
    assert signed.size == SIZE


def test_the_entries_hash_to_the_signed_root(get: Call, signed: Checkpoint) -> None:
    answer = get("/v1/ledger/entries")

    assert answer["size"] == SIZE
    assert [entry["index"] for entry in answer["entries"]] == list(range(SIZE))
    leaves = [
        leaf_data(
            entry["type"],
            datetime.fromisoformat(entry["hour"]),
            bytes.fromhex(entry["commitment"]),
        )
        for entry in answer["entries"]
    ]
    assert merkle.root([merkle.leaf_hash(leaf) for leaf in leaves]) == signed.root


@pytest.mark.parametrize(
    ("start", "end", "indices"),
    [(0, 3, [0, 1, 2]), (5, 99, [5, 6, 7]), (3, 3, []), (8, 9, []), (4, 2, [])],
)
def test_a_run_of_entries_ends_where_the_ledger_ends(
    get: Call, signed: Checkpoint, start: int, end: int, indices: list[int]
) -> None:
    found = get("/v1/ledger/entries", start=start, end=end)["entries"]

    assert [entry["index"] for entry in found] == indices


def test_what_is_not_signed_yet_is_not_shown(
    get: Call, session: Session, signed: Checkpoint
) -> None:
    append(session, 5)

    assert get("/v1/ledger/entries")["size"] == SIZE


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_entry_is_proved_in_the_tree_of_every_size(
    get: Call, signed: Checkpoint, size: int
) -> None:
    for index in range(size):
        proof = get("/v1/ledger/proof/inclusion", index=index, size=size)

        merkle.verify_inclusion(
            from_base64(proof["leaf_hash"]),
            index=index,
            size=size,
            proof=hashes(proof),
            root=from_base64(proof["root"]),
        )


def test_without_a_size_the_proof_leads_to_the_newest_checkpoint(
    get: Call, signed: Checkpoint
) -> None:
    included = get("/v1/ledger/proof/inclusion", index=4)
    consistent = get("/v1/ledger/proof/consistency", first=3)

    assert from_base64(included["root"]) == signed.root
    assert from_base64(consistent["second_root"]) == signed.root


@pytest.mark.parametrize("first", range(SIZE + 1))
def test_every_size_is_proved_to_begin_the_newest(
    get: Call, signed: Checkpoint, first: int
) -> None:
    proof = get("/v1/ledger/proof/consistency", first=first, second=SIZE)

    checkpoint.verify_extends(
        signed, Checkpoint(signed.origin, first, from_base64(proof["first_root"])), hashes(proof)
    )


def test_after_a_rotation_all_keys_are_served_the_newest_first(
    http: TestClient, session: Session, signed: Checkpoint
) -> None:
    append(session)
    sequence(session, BOTH)

    served = http.get("/v1/ledger/key").text.splitlines()

    assert served == [note.vkey(key) for key in BOTH.verifier_keys]


@pytest.mark.parametrize("path", ["checkpoint", "entries", "key", "proof/inclusion?index=0"])
def test_before_the_first_checkpoint_there_is_nothing_yet(refused: Call, path: str) -> None:
    problem = refused("GET", f"/v1/ledger/{path}", 404, "no_checkpoint")

    assert "is the clerk running?" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("proof/inclusion?index=8", "out_of_range"),
        ("proof/inclusion?index=3&size=3", "out_of_range"),
        ("proof/inclusion?index=0&size=0", "out_of_range"),
        ("proof/inclusion?index=0&size=9", "out_of_range"),
        ("proof/consistency?first=5&second=4", "out_of_range"),
        ("proof/consistency?first=0&second=9", "out_of_range"),
        ("proof/inclusion?index=-1", "malformed"),
        ("proof/inclusion?index=99999999999999999999", "malformed"),
        ("proof/inclusion", "malformed"),
        ("entries?start=x", "malformed"),
    ],
)
def test_what_the_ledger_does_not_have_is_refused(
    refused: Call, signed: Checkpoint, path: str, code: str
) -> None:
    refused("GET", f"/v1/ledger/{path}", 422, code)
