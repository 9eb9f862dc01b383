import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import statement
from app.evidence.errors import VerificationFailed
from app.evidence.statement import Statement

DIGEST = "ab" * 32
PREDICATE: dict[str, Any] = {"requests": ["req-1"], "route": "hamu"}
VALID: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "weights", "digest": {"sha256": DIGEST}}],
    "predicateType": "https://lacuna.example/unlearning/v1",
    "predicate": PREDICATE,
}

text = st.text(st.characters(codec="utf-8"))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
predicates = st.dictionaries(text, text | st.integers(-1000, 1000) | st.lists(text))


def test_a_statement_has_the_members_of_in_toto_in_canonical_form() -> None:
    written = statement.encode(Statement({"weights": DIGEST}, PREDICATE))

    assert json.loads(written) == VALID
    assert written.startswith(b'{"_type":"https://in-toto.io/Statement/v1","predicate":{')


@given(
    subjects=st.dictionaries(text, digests, min_size=1), predicate=predicates, predicate_type=text
)
def test_a_statement_is_read_back_as_it_was_written(
    subjects: dict[str, str], predicate: dict[str, Any], predicate_type: str
) -> None:
    written = Statement(subjects, predicate, predicate_type)

    assert statement.parse(statement.encode(written)) == written


@given(subjects=st.dictionaries(text, digests, min_size=2))
def test_the_order_in_which_subjects_were_given_leaves_no_trace(subjects: dict[str, str]) -> None:
    backwards = dict(reversed(subjects.items()))

    assert statement.encode(Statement(subjects, {})) == statement.encode(Statement(backwards, {}))


@pytest.mark.parametrize("subjects", [{}, {"weights": "AB" * 32}, {"weights": "ab" * 31}])
def test_weights_without_a_proper_digest_are_not_stated(subjects: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="by SHA-256"):
        statement.encode(Statement(subjects, {}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "is not a"),
        ({"_type": None}, "`_type` is missing"),
        ({"subject": []}, "names no weights"),
        ({"subject": VALID["subject"] * 2}, "one name twice"),
        ({"subject": [{"name": "weights"}]}, "`digest` is missing"),
        ({"subject": [{"name": "weights", "digest": {"sha1": "ab"}}]}, "`sha256` is missing"),
        ({"subject": [{"name": "weights", "digest": {"sha256": "AB" * 32}}]}, "not a SHA-256"),
        ({"subject": [{"digest": {"sha256": DIGEST}}]}, "`name` is missing"),
        ({"predicateType": 1}, "`predicateType` is missing"),
        ({"predicate": []}, "`predicate` is missing"),
    ],
)
def test_what_is_no_statement_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        statement.parse(json.dumps(VALID | change).encode())


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "`_type` is missing"),
        (b'{"_type":1,"_type":2}', "same name twice"),
        (b'{"_type":NaN}', "NaN is not JSON"),
        (b'{"_type":"\\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"_type":1}'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_payloads_that_readers_could_disagree_about_are_refused(payload: bytes, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        statement.parse(payload)


def test_members_nobody_knows_are_ignored() -> None:
    parsed = statement.parse(json.dumps(VALID | {"later": 1}).encode())

    assert parsed == Statement({"weights": DIGEST}, PREDICATE)


def test_the_requests_that_are_answered_are_named() -> None:
    assert statement.requests(Statement({"weights": DIGEST}, PREDICATE)) == ["req-1"]

    unclear: list[dict[str, Any]] = [{}, {"requests": "req-1"}, {"requests": [1]}]
    for predicate in unclear:
        with pytest.raises(VerificationFailed, match="requests"):
            statement.requests(Statement({"weights": DIGEST}, predicate))
