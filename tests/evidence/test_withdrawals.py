"""The list of withdrawn versions: what verifies, what is refused, and what it says of weights."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import receipt, statement, withdrawals
from app.evidence.canonical import canonical
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import SignatureType, VerifierKey
from app.evidence.standing import refuse_misfit, successor, withdrawals_of
from app.evidence.statement import Statement
from app.evidence.withdrawals import Version, Withdrawal, WithdrawalList
from tests.evidence.issuing import (
    LOG_KEY,
    ORIGIN,
    RECEIPT,
    SIZE,
    THIEF,
    THIEF_KEY,
    VERIFIED,
    WITNESS_KEY,
    digest,
)
from tests.evidence.listing import enveloped, listing, signed, withdrawn

LIST = listing(withdrawn(1, 2), withdrawn(2, 4))
SIGNED = signed(LIST)

hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
times = st.datetimes(timezones=st.just(UTC))
# The key's id is a hint to people, and decides nothing.
HINT = range(SIGNED.index(b'"keyid"'), SIGNED.index(b'"sig"'))


@st.composite
def lists(draw: st.DrawFn) -> WithdrawalList:
    """A list such as a ledger could give: versions in the order of their entries."""
    size = draw(st.integers(1, 50))
    entries = sorted(draw(st.sets(st.integers(0, size - 1), max_size=8)))
    members = [
        Withdrawal(
            model=draw(st.sampled_from(["faces", "names", "é\u2028"])),
            version=Version(number, draw(hexes)),
            withdrawn_at=draw(times),
            reason=draw(st.text(st.characters(codec="utf-8"), max_size=9)),
            successor=draw(st.none() | st.builds(Version, st.integers(51, 99), hexes)),
            entry=entry,
            purged_at=draw(st.none() | times),
        )
        for number, entry in enumerate(entries, start=1)
    ]
    head = Checkpoint(ORIGIN, size, draw(st.binary(min_size=32, max_size=32)))
    return WithdrawalList(head, draw(times), tuple(members))


@given(lists())
def test_what_was_signed_is_what_is_read(listed: WithdrawalList) -> None:
    assert withdrawals.verify(signed(listed), [LOG_KEY]) == listed


def test_the_statement_is_about_the_state_of_the_ledger() -> None:
    told = json.loads(b64decode(json.loads(SIGNED)["payload"]))

    assert told["predicateType"] == "https://lacuna.example/withdrawals/v1"
    assert told["subject"] == [{"name": ORIGIN, "digest": {"sha256": bytes(32).hex()}}]
    assert [each["entry"] for each in told["predicate"]["withdrawn"]] == [1, 2]


@pytest.mark.parametrize("place", sorted({*range(0, len(SIGNED), 61)} - {*HINT}))
def test_a_list_with_a_flipped_bit_is_refused(place: int) -> None:
    flipped = bytearray(SIGNED)
    flipped[place] ^= 1

    with pytest.raises(VerificationFailed):
        withdrawals.verify(bytes(flipped), [LOG_KEY])


@pytest.mark.parametrize("kept", [0, 1, len(SIGNED) // 2, len(SIGNED) - 1])
def test_a_list_that_was_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(VerificationFailed, match="not JSON"):
        withdrawals.verify(SIGNED[:kept], [LOG_KEY])


def test_leaving_a_withdrawal_out_is_refused() -> None:
    envelope = json.loads(SIGNED)
    shorter = withdrawals.encode(replace(LIST, withdrawn=LIST.withdrawn[:1]))
    envelope["payload"] = b64encode(shorter).decode()

    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        withdrawals.verify(canonical(envelope), [LOG_KEY])


@pytest.mark.parametrize(
    "keys",
    [[], [THIEF_KEY], [WITNESS_KEY], [replace(LOG_KEY, type=SignatureType.COSIGNATURE)]],
    ids=["none", "another", "a witness", "the key as a witness"],
)
def test_only_the_ledgers_own_key_will_do(keys: list[VerifierKey]) -> None:
    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        withdrawals.verify(SIGNED, keys)


def test_a_trusted_ledger_cannot_speak_for_another() -> None:
    other = replace(THIEF_KEY, name="other.example/log")

    with pytest.raises(VerificationFailed, match="none of the keys you trust"):
        withdrawals.verify(signed(LIST, THIEF, origin=other.name), [LOG_KEY, other])


def test_a_key_that_two_ledgers_share_is_taken_by_either_name() -> None:
    other = replace(LOG_KEY, name="other.example/log")

    for keys in ([LOG_KEY, other], [other, LOG_KEY]):
        assert withdrawals.verify(SIGNED, keys) == LIST


def test_the_envelope_of_a_receipt_is_no_list_and_a_list_is_no_receipt() -> None:
    envelope = canonical(json.loads(RECEIPT)["envelope"])

    with pytest.raises(VerificationFailed, match="no list of withdrawn versions"):
        withdrawals.verify(envelope, [LOG_KEY])
    with pytest.raises(VerificationFailed, match="`format` is missing"):
        receipt.verify(SIGNED, log_keys=[LOG_KEY])


def test_a_list_about_another_root_than_it_says_is_refused() -> None:
    told = json.loads(withdrawals.encode(LIST))
    forged = Statement(
        {ORIGIN: digest(7)}, told["predicate"], predicate_type=withdrawals.WITHDRAWALS_TYPE
    )

    with pytest.raises(VerificationFailed, match="another state of the ledger"):
        withdrawals.verify(enveloped(statement.encode(forged)), [LOG_KEY])


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A list of another content that the ledger's own key has signed all the same."""
    told = json.loads(withdrawals.encode(LIST))
    change(told["predicate"])
    return enveloped(canonical(told))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda told: told.pop("listed_at"), "`listed_at` is missing"),
        (lambda told: told.update(listed_at="yesterday"), "is not a time"),
        (lambda told: told.update(listed_at="2026-05-04T12:00:00"), "without its zone"),
        (lambda told: told.update(withdrawn={}), "`withdrawn` is missing or of the wrong kind"),
        (lambda told: told["ledger"].update(size=-1), "`size` is not a count"),
        (lambda told: told["ledger"].update(size=2), "not in the order of the ledger's entries"),
        (lambda told: told["ledger"].update(root_sha256="AB"), "is not a SHA-256 digest"),
        (lambda told: told["withdrawn"].reverse(), "not in the order of the ledger's entries"),
        (lambda told: told["withdrawn"][1].update(entry=1), "not in the order of"),
        (lambda told: told["withdrawn"][1].update(number=1), "names a version twice"),
        (lambda told: told["withdrawn"][0].update(number=True), "`number` is not a count"),
        (lambda told: told["withdrawn"][0].update(weights_sha256="ab"), "not a SHA-256 digest"),
        (lambda told: told["withdrawn"][0].pop("successor"), "`successor` is missing"),
        (lambda told: told["withdrawn"][0]["successor"].update(number=1), "not newer"),
        (lambda told: told["withdrawn"][0].update(purged_at=3), "`purged_at` is missing"),
        (lambda told: told["withdrawn"].append(None), "`weights_sha256` is missing|`number`"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused_though_it_is_signed(
    change: Callable[[dict[str, Any]], object], why: str
) -> None:
    with pytest.raises(VerificationFailed, match=why):
        withdrawals.verify(changed(change), [LOG_KEY])


def test_what_a_later_form_adds_is_ignored() -> None:
    assert withdrawals.verify(changed(lambda told: told.update(more=1)), [LOG_KEY]) == LIST


def test_weights_are_found_by_their_digest_and_lead_to_what_is_in_use() -> None:
    (found,) = withdrawals_of(LIST, digest(1))

    assert found.version.number == 1
    assert successor(LIST, found) == Version(4, digest(4))
    assert withdrawals_of(LIST, digest(4)) == ()


def test_what_has_no_successor_leads_nowhere() -> None:
    listed = listing(withdrawn(1, 2), withdrawn(2, None))

    assert successor(listed, listed.withdrawn[0]) is None


def test_weights_that_a_later_version_took_over_unchanged_are_in_use_until_that_is_withdrawn() -> (
    None
):
    same = digest(1)
    first = withdrawn(1, 2, following=same)

    assert withdrawals_of(listing(first), same) == ()
    later = listing(first, withdrawn(2, 3, weights=same))
    assert withdrawals_of(later, same) == later.withdrawn


def test_a_version_of_another_model_with_the_same_number_is_not_its_successor() -> None:
    listed = listing(withdrawn(1, 2), withdrawn(2, 3, model="names"))

    assert successor(listed, listed.withdrawn[0]) == Version(2, digest(2))


def test_a_list_that_does_not_contradict_a_receipt_fits_it_also_if_it_is_older() -> None:
    head = VERIFIED.ledger.checkpoint

    refuse_misfit(LIST, VERIFIED)
    refuse_misfit(listing(size=head.size, root=head.root), VERIFIED)
    refuse_misfit(listing(size=VERIFIED.index), VERIFIED)


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (listing(size=SIZE), "two different ledgers of 13 entries"),
        (replace(LIST, ledger=Checkpoint("other", 20, bytes(32))), "the receipt of another"),
    ],
    ids=["forked", "another"],
)
def test_a_list_that_cannot_speak_about_a_receipt_is_refused(
    listed: WithdrawalList, why: str
) -> None:
    with pytest.raises(VerificationFailed, match=why):
        refuse_misfit(listed, VERIFIED)


def test_a_list_without_what_the_receipt_says_was_withdrawn_is_refused() -> None:
    outcome = {"model": "faces", "withdrawn": [{"number": 1, "weights_sha256": digest(1)}]}
    stated = replace(VERIFIED.statement, predicate={"outcomes": [outcome]})
    verified = replace(VERIFIED, statement=stated)

    refuse_misfit(LIST, verified)
    with pytest.raises(
        VerificationFailed, match="version 1 of 'faces' was withdrawn, and the list"
    ):
        refuse_misfit(listing(withdrawn(2, 3)), verified)
