"""Whatever is given to `lacuna verify` or `lacuna withdrawals`, no traceback comes out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli.main import app
from app.evidence import statement, withdrawals
from app.evidence.statement import Statement
from tests.cli.verifying import furnished, verify
from tests.evidence.issuing import RECEIPT, SIZE, alone, issued
from tests.evidence.listing import enveloped, listing, signed, withdrawn

FUZZED = settings(max_examples=100)
Tree = Any  # parsed JSON
Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnished(tmp_path_factory.mktemp("bad"))


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
