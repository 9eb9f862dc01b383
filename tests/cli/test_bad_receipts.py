"""What is wrong with a receipt `lacuna verify` says in words, with exit code 1."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.evidence import dsse, statement
from app.evidence.dsse import Envelope
from app.evidence.statement import PAYLOAD_TYPE, Statement
from tests.cli.verifying import WEIGHTS, furnished, verify, version
from tests.evidence.issuing import RECEIPT, SIZE, THIEF, alone, changed, envelope, issued, stated
from tests.evidence.listing import listing, signed, withdrawn

Tree = Any  # parsed JSON


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnished(tmp_path_factory.mktemp("bad"))


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
