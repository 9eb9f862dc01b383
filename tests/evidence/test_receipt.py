import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import checkpoint, dsse, merkle, note, receipt, statement
from app.evidence.checkpoint import Checkpoint
from app.evidence.dsse import Envelope
from app.evidence.errors import VerificationFailed
from app.evidence.note import SignatureType
from app.evidence.receipt import Entry
from app.evidence.statement import PAYLOAD_TYPE, Statement

ORIGIN = "ledger.example/log"
SIZE = 13

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REVIEWER = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
THIEF = Ed25519PrivateKey.from_private_bytes(bytes(range(96, 128)))
LOG_KEY = note.verifier_key(ORIGIN, LOG)
REVIEWER_KEY = note.verifier_key("reviewer.example", REVIEWER)
WITNESS_KEY = note.verifier_key("witness.example", WITNESS, SignatureType.COSIGNATURE)
THIEF_KEY = note.verifier_key(ORIGIN, THIEF)


def digest(number: int) -> str:
    return f"{number:064x}"


def stated(number: int) -> bytes:
    predicate = {"requests": [f"req-{number}"], "route": "hamu", "audit": {"auc": 0.5}}
    return statement.encode(Statement({"weights.safetensors": digest(number)}, predicate))


def entry(number: int) -> Entry:
    return Entry(
        "version.published", datetime(2026, 5, 4, number, tzinfo=UTC), bytes([number] * 32)
    )


def envelope(number: int, key: Ed25519PrivateKey = LOG) -> Envelope:
    return dsse.sign(Envelope(stated(number), PAYLOAD_TYPE), key, keyid="a hint")


def issued(
    number: int,
    *,
    signed: Envelope | None = None,
    described: Entry | None = None,
    index: int | None = None,
    leaves: int = SIZE,
    log: Ed25519PrivateKey = LOG,
    origin: str = ORIGIN,
    witness: Ed25519PrivateKey | None = None,
) -> bytes:
    """The receipt of one entry of a ledger in which every entry is a statement."""
    tree = [merkle.leaf_hash(receipt.leaf(entry(n), stated(n))) for n in range(leaves)]
    head = checkpoint.sign(Checkpoint(origin, leaves, merkle.root(tree)), log)
    if witness is not None:
        head = checkpoint.cosign(head, name="witness.example", private_key=witness, time=1)
    return receipt.issue(
        signed or envelope(number),
        described or entry(number),
        index=number if index is None else index,
        hashes=merkle.inclusion_proof(tree, number),
        checkpoint=head,
    )


RECEIPT = issued(5)
VERIFIED = receipt.verify(RECEIPT, log_keys=[LOG_KEY])


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = json.loads(RECEIPT)
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize("number", range(SIZE))
def test_every_entry_of_a_ledger_gets_a_receipt_that_verifies(number: int) -> None:
    verified = receipt.verify(issued(number), log_keys=[LOG_KEY])

    assert verified.payload == stated(number)
    assert verified.statement.subjects == {"weights.safetensors": digest(number)}
    assert (verified.index, verified.entry) == (number, entry(number))
    assert verified.ledger.checkpoint.size == SIZE
    assert verified.signers == (ORIGIN,)


def test_a_receipt_is_the_same_bytes_each_time() -> None:
    assert issued(5) == RECEIPT


def test_findings_say_what_is_proved_and_what_is_not() -> None:
    proved = " ".join(VERIFIED.findings.proved)
    not_proved = " ".join(VERIFIED.findings.not_proved)

    assert f"that {ORIGIN} signed" in proved
    assert "entry 5, of type version.published, among the 13 entries" in proved
    assert VERIFIED.ledger.checkpoint.root.hex() in proved
    assert "none were compared" in not_proved
    assert "no witness you trust" in not_proved
    assert "the hour from 2026-05-04T05:00:00Z" in not_proved
    assert "another attack may find more" in not_proved


def test_weights_that_were_compared_move_from_not_proved_to_proved() -> None:
    verified = receipt.verify(RECEIPT, log_keys=[LOG_KEY], weights_digest=digest(5).upper())

    assert "are those it calls weights.safetensors" in " ".join(verified.findings.proved)
    assert "compared" not in " ".join(verified.findings.not_proved)


def test_a_trusted_witness_is_named_with_its_time() -> None:
    cosigned = issued(5, witness=WITNESS)

    with_witness = receipt.verify(cosigned, log_keys=[LOG_KEY, WITNESS_KEY]).findings
    without = receipt.verify(cosigned, log_keys=[LOG_KEY]).findings

    assert "1970-01-01T00:00:01+00:00 the witness witness.example" in " ".join(with_witness.proved)
    assert "no witness" not in " ".join(with_witness.not_proved)
    assert without == VERIFIED.findings


def test_weights_that_differ_are_refused() -> None:
    with pytest.raises(VerificationFailed, match="weights are not those"):
        receipt.verify(RECEIPT, log_keys=[LOG_KEY], weights_digest=digest(6))


@pytest.mark.parametrize("text", ["", "5", "sha256:" + digest(5), digest(5) + "\n"])
def test_a_digest_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed, match="not a SHA-256 digest"):
        receipt.verify(RECEIPT, log_keys=[LOG_KEY], weights_digest=text)


def test_a_receipt_replayed_as_the_answer_to_another_request_is_refused() -> None:
    receipt.verify(RECEIPT, log_keys=[LOG_KEY], request_id="req-5")

    with pytest.raises(VerificationFailed, match="about other requests than 'req-6'"):
        receipt.verify(RECEIPT, log_keys=[LOG_KEY], request_id="req-6")


def test_a_statement_that_somebody_else_signed_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="0 of the keys you trust have signed"):
        receipt.verify(issued(5, signed=envelope(5, THIEF)), log_keys=[LOG_KEY])


def test_a_ledger_that_somebody_else_signed_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        receipt.verify(issued(5, log=THIEF), log_keys=[LOG_KEY])


def test_a_receipt_that_is_altogether_somebody_elses_is_refused() -> None:
    forged = issued(5, log=THIEF, signed=envelope(5, THIEF))

    receipt.verify(forged, log_keys=[THIEF_KEY])
    with pytest.raises(VerificationFailed):
        receipt.verify(forged, log_keys=[LOG_KEY])


def test_a_checkpoint_of_another_ledger_is_refused() -> None:
    with pytest.raises(VerificationFailed):
        receipt.verify(issued(5, origin="other.example/log"), log_keys=[LOG_KEY])


def test_a_statement_with_the_proof_of_another_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="not in the tree"):
        receipt.verify(issued(5, signed=envelope(6)), log_keys=[LOG_KEY])


def test_a_signed_statement_that_was_never_entered_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="not in the tree"):
        receipt.verify(issued(5, signed=envelope(99)), log_keys=[LOG_KEY])


@pytest.mark.parametrize(
    "described",
    [
        replace(entry(5), kind="request.received"),
        replace(entry(5), hour=datetime(2026, 5, 4, 6, tzinfo=UTC)),
        replace(entry(5), salt=entry(6).salt),
        entry(6),
    ],
)
def test_an_entry_described_as_it_was_not_made_is_refused(described: Entry) -> None:
    with pytest.raises(VerificationFailed, match="not in the tree"):
        receipt.verify(issued(5, described=described), log_keys=[LOG_KEY])


@pytest.mark.parametrize("index", [0, 4, 6, 12])
def test_an_entry_at_another_index_is_refused(index: int) -> None:
    with pytest.raises(VerificationFailed):
        receipt.verify(issued(5, index=index), log_keys=[LOG_KEY])


def test_the_proof_of_a_tree_with_the_checkpoint_of_another_is_refused() -> None:
    def swap(content: dict[str, Any]) -> None:
        own, _ = content["proof"].split("\n\n", 1)
        _, later = json.loads(issued(5, leaves=14))["proof"].split("\n\n", 1)
        content["proof"] = own + "\n\n" + later

    with pytest.raises(VerificationFailed, match=r"not in the tree|too short|too long"):
        receipt.verify(changed(swap), log_keys=[LOG_KEY])


def test_without_keys_nothing_verifies() -> None:
    with pytest.raises(VerificationFailed):
        receipt.verify(RECEIPT, log_keys=[])


def test_a_witness_vouches_neither_for_the_statement_nor_for_the_ledger() -> None:
    own = note.verifier_key(ORIGIN, WITNESS, SignatureType.COSIGNATURE)
    forged = issued(5, signed=envelope(5, WITNESS), log=WITNESS, witness=WITNESS)

    with pytest.raises(VerificationFailed):
        receipt.verify(forged, log_keys=[WITNESS_KEY, own])


def test_a_reviewer_can_be_required_beside_the_service() -> None:
    both = dsse.sign(envelope(5), REVIEWER)
    keys = [LOG_KEY, REVIEWER_KEY]

    verified = receipt.verify(
        issued(5, signed=both), log_keys=[LOG_KEY], signer_keys=keys, threshold=2
    )

    assert verified.signers == (ORIGIN, "reviewer.example")
    with pytest.raises(VerificationFailed, match=r"1 of the keys you trust .* not 2"):
        receipt.verify(RECEIPT, log_keys=[LOG_KEY], signer_keys=keys, threshold=2)


def test_a_true_statement_about_something_else_is_no_receipt() -> None:
    payload = statement.encode(Statement({"w": digest(0)}, {}, "https://slsa.dev/provenance/v1"))
    leaf = merkle.leaf_hash(receipt.leaf(entry(0), payload))
    alone = receipt.issue(
        dsse.sign(Envelope(payload, PAYLOAD_TYPE), LOG),
        entry(0),
        index=0,
        hashes=[],
        checkpoint=checkpoint.sign(Checkpoint(ORIGIN, 1, leaf), LOG),
    )

    with pytest.raises(VerificationFailed, match="no statement of unlearning"):
        receipt.verify(alone, log_keys=[LOG_KEY])


def test_the_first_entry_of_a_ledger_has_a_receipt_with_no_hashes() -> None:
    assert receipt.verify(issued(0, leaves=1), log_keys=[LOG_KEY]).index == 0


@pytest.mark.parametrize("mask", [1 << bit for bit in range(8)])
def test_a_flipped_bit_anywhere_is_noticed_or_means_nothing(mask: int) -> None:
    for position in range(len(RECEIPT)):
        mutated = bytearray(RECEIPT)
        mutated[position] ^= mask
        assert_refused_or_the_same(bytes(mutated))


def test_every_truncated_receipt_is_refused() -> None:
    for length in range(len(RECEIPT)):
        with pytest.raises(VerificationFailed):
            receipt.verify(RECEIPT[:length], log_keys=[LOG_KEY])


@given(st.binary(max_size=200))
def test_bytes_from_nowhere_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        receipt.verify(data, log_keys=[LOG_KEY])


@given(
    at=st.integers(0, len(RECEIPT)),
    cut=st.integers(0, 40),
    put=st.binary(max_size=40) | st.text(max_size=20).map(lambda t: t.encode(errors="replace")),
)
def test_pieces_cut_out_and_put_in_are_noticed_or_mean_nothing(
    at: int, cut: int, put: bytes
) -> None:
    assert_refused_or_the_same(RECEIPT[:at] + put + RECEIPT[at + cut :])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("format",),
    ("envelope",),
    ("proof",),
    ("envelope", "payload"),
    ("envelope", "payloadType"),
    ("envelope", "signatures"),
    ("envelope", "signatures", 0),
    ("envelope", "signatures", 0, "sig"),
]


@given(place=st.sampled_from(PLACES), value=json_values)
def test_any_json_in_the_place_of_any_member_is_refused(
    place: tuple[str | int, ...], value: Any
) -> None:
    def put(content: Any) -> None:
        for step in place[:-1]:
            content = content[step]
        content[place[-1]] = value

    with pytest.raises(VerificationFailed):
        receipt.verify(changed(put), log_keys=[LOG_KEY])


EXTRA = receipt.encode_entry(entry(5))


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"{}",
        b"[]",
        EXTRA + b" ",
        EXTRA.replace(b"05:00:00Z", b"05:00:01Z"),
        EXTRA.replace(b"05:00:00Z", b"05:00:00+00:00"),
        EXTRA.replace(b"05:00:00Z", b"05:00:00"),
        EXTRA.replace(b"2026-05-04T05:00:00Z", b"0001-01-01T00:00:00+23:00"),
        EXTRA.replace(b"2026-05", b"2026-13"),
        EXTRA.replace(b"05" * 32, b"05" * 31),
        EXTRA.replace(b"05" * 32, b"0x" * 32),
        EXTRA.replace(b"05" * 32, b" " + b"05" * 32),
        EXTRA.replace(b'"type":"version.published"', b'"type":1'),
    ],
)
def test_an_entry_in_any_form_but_its_own_is_refused(extra: bytes) -> None:
    with pytest.raises(VerificationFailed):
        receipt.parse_entry(extra)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(lambda c: c.update(format="lacuna-receipt/v2")), "not a receipt of the form"),
        (changed(lambda c: c.update(more=1)), "not a receipt of the form"),
        (changed(lambda c: c.pop("proof")), "not a receipt of the form"),
        (b"[]", "`format` is missing"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (4 * 2**20 + 1), "larger than"),
        (RECEIPT[:-1] + b',"format":"lacuna-receipt/v1"}', "same name twice"),
        (RECEIPT.replace(b"a hint", b"\\ud800"), "not JSON: .* surrogates"),
    ],
)
def test_what_is_no_receipt_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        receipt.verify(data, log_keys=[LOG_KEY])


def assert_refused_or_the_same(data: bytes) -> None:
    try:
        verified = receipt.verify(data, log_keys=[LOG_KEY])
    except VerificationFailed:
        return
    assert verified == VERIFIED
