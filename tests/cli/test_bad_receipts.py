"""Whatever is given to `lacuna verify` as a receipt, it answers in words and with an exit code."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli.main import app
from app.evidence import dsse, note, statement, withdrawals
from app.evidence.dsse import Envelope
from app.evidence.statement import PAYLOAD_TYPE, Statement
from tests.evidence.issuing import (
    LOG_KEY,
    RECEIPT,
    SIZE,
    THIEF,
    alone,
    changed,
    envelope,
    issued,
    stated,
)
from tests.evidence.listing import enveloped, listing, signed, withdrawn

WEIGHTS = bytes(range(256))
FUZZED = settings(max_examples=100, deadline=None)  # files are written: the disk takes its time
Tree = Any  # parsed JSON
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key of a ledger, and the weights of version 2."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "log.vkey").write_text(note.vkey(LOG_KEY) + "\n")
    (folder / "faces-2.safetensors").write_bytes(WEIGHTS)
    return folder


def verify(folder: Path, content: bytes, *options: str) -> tuple[int, str]:
    """The exit code, and all that was said; an exception that comes through fails the test."""
    (folder / "receipt.json").write_bytes(content)
    arguments = ["verify", str(folder / "receipt.json"), "--key", str(folder / "log.vkey")]
    done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
    assert "Traceback" not in done.output
    return done.exit_code, " ".join(done.output.split())


def version(number: int, weights: bytes = WEIGHTS) -> bytes:
    """The receipt of a statement about the weights of one version."""
    subjects = {f"faces-{number}.safetensors": sha256(weights).hexdigest()}
    return alone(statement.encode(Statement(subjects, {"requests": [f"req-{number}"]})))


def resigned(content: Tree) -> None:
    """The statement altered, and signed by somebody with a key of his own."""
    altered = stated(5).replace(b"hamu", b"none")
    content["envelope"] = dsse.to_json(dsse.sign(Envelope(altered, PAYLOAD_TYPE), THIEF))


def unsigned(content: Tree) -> None:
    content["envelope"]["signatures"] = []


def altered(content: Tree) -> None:
    """The statement altered under its old signature."""
    content["envelope"]["payload"] = dsse.to_json(envelope(6))["payload"]


def swapped(content: Tree) -> None:
    """The statement of one entry beside the proof of another."""
    content["proof"] = json.loads(issued(6))["proof"]


def of_another_tree(content: Tree) -> None:
    """The path through one tree under the signed root of another."""
    own, _ = content["proof"].split("\n\n", 1)
    _, later = json.loads(issued(5, leaves=SIZE + 1))["proof"].split("\n\n", 1)
    content["proof"] = f"{own}\n\n{later}"


def without_its_path(content: Tree) -> None:
    """A hash of the inclusion proof left out."""
    lines = content["proof"].split("\n")
    content["proof"] = "\n".join([*lines[:3], *lines[4:]])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "this is not JSON"),
        (b"\x00" * 64, "this is not JSON"),
        (b'{"format": NaN}', "NaN is not JSON"),
        (b"9" * 5000, "this is not JSON"),
        (b"[" * 200_000, "this is not JSON"),
        (b" " * (5 * 2**20), "the receipt is larger than"),
        (RECEIPT[: len(RECEIPT) // 2], "this is not JSON"),
        (RECEIPT + RECEIPT, "this is not JSON"),
        (changed(resigned), "none of the keys you trust has signed the statement"),
        (changed(unsigned), "none of the keys you trust has signed the statement"),
        (changed(altered), "none of the keys you trust has signed the statement"),
        (issued(5, log=THIEF), "none of the keys you trust"),
        (issued(5, signed=envelope(5, THIEF), log=THIEF), "none of the keys you trust"),
        (issued(5, origin="other.example/log"), "none of the keys you trust"),
        (changed(swapped), "not in the tree"),
        (changed(of_another_tree), "not in the tree"),
        (changed(without_its_path), "does not verify"),
        (issued(5, signed=envelope(99)), "not in the tree"),
        (signed(listing(withdrawn(1, 2))), "`format` is missing"),
    ],
)
def test_what_is_wrong_with_a_receipt_is_said_in_words(
    folder: Path, content: bytes, why: str
) -> None:
    code, told = verify(folder, content)

    assert code == 1
    assert "receipt.json does not verify: " in told
    assert why in told


@pytest.mark.parametrize("length", range(1, len(RECEIPT), 173))
def test_a_truncated_receipt_is_refused(folder: Path, length: int) -> None:
    code, told = verify(folder, RECEIPT[:length])

    assert (code, "receipt.json does not verify: this is not JSON" in told) == (1, True)


def test_a_statement_about_another_version_is_not_one_about_these_weights(folder: Path) -> None:
    weights = ("--weights", str(folder / "faces-2.safetensors"))

    assert verify(folder, version(2), *weights)[0] == 0
    code, told = verify(folder, version(3, WEIGHTS[:-1] + b"\0"), *weights)

    assert code == 1
    assert "the weights are not those that the statement is about" in told


@pytest.mark.parametrize("place", [0, 100, 255])
def test_weights_that_differ_in_one_bit_are_not_those_of_the_receipt(
    folder: Path, place: int
) -> None:
    flipped = bytearray(WEIGHTS)
    flipped[place] ^= 1
    (folder / "flipped").write_bytes(flipped)

    code, told = verify(folder, version(2), "--weights", str(folder / "flipped"))

    assert code == 1
    assert "the weights are not those that the statement is about" in told


def test_a_denial_vouches_for_no_weights(folder: Path) -> None:
    denial = alone(statement.encode(Statement({"forget-set": "00" * 32}, {"requests": []})))

    code, told = verify(folder, denial, "--weights", str(folder / "faces-2.safetensors"))

    assert code == 1
    assert "the statement is about no weights" in told


def test_a_receipt_replayed_as_the_answer_to_another_request_is_refused(folder: Path) -> None:
    code, told = verify(folder, version(2), "--request", "req-3")

    assert code == 1
    assert "the receipt is about other requests than 'req-3'" in told


def places(tree: Tree, here: Place = ()) -> Iterator[Place]:
    """The way to every value in a JSON tree."""
    yield here
    steps: Iterable[tuple[str | int, Tree]] = ()
    match tree:
        case dict():
            steps = tree.items()
        case list():
            steps = enumerate(tree)
    for step, below in steps:
        yield from places(below, (*here, step))


def put(tree: Tree, place: Place, value: Tree) -> Tree:
    """The tree with another value in one place."""
    if not place:
        return value
    *way, last = place
    copy = json.loads(json.dumps(tree))
    inner = copy
    for step in way:
        inner = inner[step]
    inner[last] = value
    return copy


whatever = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PARSED, OTHER, LATER = (
    json.loads(each) for each in (RECEIPT, issued(6), issued(5, leaves=SIZE + 1))
)
values = whatever | st.sampled_from(
    [
        value
        for tree in (PARSED, OTHER, LATER)
        for value in [*tree.values(), *tree["envelope"].values()]
    ]
)


@FUZZED
@given(place=st.sampled_from(list(places(PARSED))), value=values)
@example(place=("proof",), value=LATER["proof"])
@example(place=("envelope", "signatures", 0, "keyid"), value="another hint")
def test_any_value_in_any_place_of_a_receipt_is_refused_or_changes_nothing(
    folder: Path, place: Place, value: Tree
) -> None:
    mutated = put(PARSED, place, value)

    code, told = verify(folder, json.dumps(mutated).encode("utf-8", "surrogatepass"))

    assert code == (0 if harmless(mutated) else 1), told
    assert ("does not verify: " in told) == (code == 1)


def harmless(mutated: Tree) -> bool:
    """Whether it is the receipt, but for what it need not say: a hint, or under which tree."""
    try:
        (signature,) = mutated["envelope"]["signatures"]
        hint = signature["keyid"]
        mutated = put(mutated, ("envelope", "signatures", 0, "keyid"), "a hint")
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(hint, str) and mutated in (PARSED, PARSED | {"proof": LATER["proof"]})


PREDICATE = {
    "event": "completed",
    "requests": ["r-1"],
    "forget_set": {"count": 2},
    "received_at": "",
    "due_at": "",
    "completed_at": "",
    "reasons": ["no_match"],
    "outcomes": [
        {
            "model": "faces",
            "version": {"number": 2},
            "withdrawn": [{"number": 1, "weights_sha256": "00" * 32}],
            "job": {"method": "hamu", "parent": {"number": 1}, "audit": {"verdict": "pass"}},
        }
    ],
}


@FUZZED
@given(place=st.sampled_from([*places(PREDICATE)][1:]), value=whatever, listed=st.booleans())
def test_any_statement_that_was_signed_is_put_in_words_or_refused(
    folder: Path, place: Place, value: Tree, listed: bool
) -> None:
    """A later service, or one that is broken, may state what this program does not know."""
    try:
        payload = statement.encode(
            Statement({"w.safetensors": "00" * 32}, put(PREDICATE, place, value))
        )
    except ValueError:
        return  # nothing that can be said in canonical JSON can be signed
    (folder / "list.json").write_bytes(signed(listing(withdrawn(1, 2, weights="00" * 32))))
    options = ("--withdrawals", str(folder / "list.json")) if listed else ()

    code, told = verify(folder, alone(payload), *options)

    assert code in ((1, 3) if listed else (0,)), told


LISTED = statement.parse(withdrawals.encode(listing(withdrawn(1, 2), withdrawn(2, None))))


@FUZZED
@given(place=st.sampled_from([*places(LISTED.predicate)][1:]), value=whatever)
def test_any_list_that_was_signed_is_put_in_words_or_refused(
    folder: Path, place: Place, value: Tree
) -> None:
    predicate = put(dict(LISTED.predicate), place, value)
    try:
        payload = statement.encode(replace(LISTED, predicate=predicate))
    except ValueError:
        return
    (folder / "list.json").write_bytes(enveloped(payload))
    arguments = ["withdrawals", str(folder / "list.json"), "--key", str(folder / "log.vkey")]
    weights = ["--weights", str(folder / "faces-2.safetensors"), "--max-age", "36500"]

    for options in ([], weights):
        done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
        assert done.exit_code in (0, 1), done.output


@FUZZED
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_any_file_in_the_place_of_the_keys_is_refused_in_words(
    folder: Path, content: bytes
) -> None:
    (folder / "other.vkey").write_bytes(content)
    arguments = ["verify", str(folder / "faces-2.safetensors"), "--key", str(folder / "other.vkey")]

    done = CliRunner().invoke(app, arguments, catch_exceptions=False)

    assert done.exit_code == 1
    assert "other.vkey cannot be used: " in " ".join(done.output.split())
