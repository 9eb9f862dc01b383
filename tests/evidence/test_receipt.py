import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.evidence import dsse, receipt, statement
from app.evidence.errors import VerificationFailed
from app.evidence.receipt import Entry
from app.evidence.statement import Statement
from tests.evidence.issuing import (
    LOG_KEY,
    ORIGIN,
    RECEIPT,
    REVIEWER,
    REVIEWER_KEY,
    SIZE,
    THIEF,
    THIEF_KEY,
    VERIFIED,
    WITNESS,
    WITNESS_KEY,
    alone,
    changed,
    digest,
    entry,
    envelope,
    issued,
    stated,
)


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


def test_of_a_statement_about_no_weights_nothing_is_said_that_only_weights_could_show() -> None:
    payload = statement.encode(Statement({"forget-set": digest(0)}, {"requests": ["req-0"]}))
    denial = alone(payload)

    not_proved = " ".join(receipt.verify(denial, log_keys=[LOG_KEY]).findings.not_proved)

    assert "names no weights in which it would have been" in not_proved
    assert "attack" not in not_proved
    assert "compared" not in not_proved
    with pytest.raises(VerificationFailed, match="about no weights"):
        receipt.verify(denial, log_keys=[LOG_KEY], weights_digest=digest(0))


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
    with pytest.raises(VerificationFailed, match="none of the keys you trust has signed"):
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


def test_a_witness_of_the_ledger_does_not_vouch_for_the_statement() -> None:
    forged = issued(5, signed=envelope(5, WITNESS), witness=WITNESS)

    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        receipt.verify(forged, log_keys=[LOG_KEY, WITNESS_KEY])


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

    with pytest.raises(VerificationFailed, match="no statement of unlearning"):
        receipt.verify(alone(payload), log_keys=[LOG_KEY])


def test_the_first_entry_of_a_ledger_has_a_receipt_with_no_hashes() -> None:
    assert receipt.verify(issued(0, leaves=1), log_keys=[LOG_KEY]).index == 0
