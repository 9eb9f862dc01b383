"""A signed list of withdrawn versions, opened and put in words for whoever has weights."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

from app.cli.offline import content_of
from app.cli.options import fail
from app.evidence import withdrawals
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.evidence.standing import successor, withdrawals_of
from app.evidence.withdrawals import Withdrawal, WithdrawalList
from app.ledger.reasons import WITHDRAWAL_WORDS

WITHDRAWN = 3  # the exit code: everything verifies, and says that these weights may not be used
SHOWN = 20


def opened(path: Path, keys: list[VerifierKey], max_age: float | None) -> WithdrawalList:
    """The list in a file; ends the command if it does not verify or is older than so many days."""
    try:
        listed = withdrawals.verify(content_of(path, most=withdrawals.MOST_BYTES), keys)
    except VerificationFailed as failure:
        fail(f"{path} does not verify: {failure}.")
    if max_age is not None and datetime.now(UTC) - listed.listed_at > timedelta(days=max_age):
        fail(f"{path} verifies and is too old: it was made {listed.listed_at.isoformat()}.")
    return listed


def everything(listed: WithdrawalList) -> Iterator[str]:
    """What a list says, in short; not all of it where it is much."""
    yield f"Versions withdrawn by {listed.listed_at.isoformat()}: {len(listed.withdrawn)}."
    newest = listed.withdrawn[-SHOWN:]
    for each in newest:
        yield f"Version {each.version.number} of {each.model}{since(each)}. {instead(listed, each)}"
    if len(newest) < len(listed.withdrawn):
        yield f"{len(listed.withdrawn) - len(newest)} more, which were withdrawn before these."


def of_weights(listed: WithdrawalList, name: str, weights_digest: str) -> Iterator[str]:
    """What a list says of the weights that go by a name."""
    found = withdrawals_of(listed, weights_digest)
    if not found:
        yield f"{name} is not withdrawn: the list names no version that has these weights."
    for each in found:
        yield (
            f"{name} IS WITHDRAWN: it is version {each.version.number} of {each.model}"
            f"{since(each)}. {instead(listed, each)}"
        )


def since(withdrawal: Withdrawal) -> str:
    why = WITHDRAWAL_WORDS.get(withdrawal.reason, f"its code is {withdrawal.reason}")
    return f", withdrawn {withdrawal.withdrawn_at.isoformat()} (entry {withdrawal.entry}): {why}"


def instead(listed: WithdrawalList, withdrawal: Withdrawal) -> str:
    following = successor(listed, withdrawal)
    if following is None:
        return "Nothing took its place."
    return f"Use version {following.number}, SHA-256 {following.weights_sha256}."


def proved(listed: WithdrawalList) -> tuple[str, ...]:
    ledger = listed.ledger
    return (
        f"The list is, byte for byte, what the ledger {ledger.origin} signed over its first "
        f"{ledger.size} entries, whose root hash it says is {ledger.root.hex()}.",
    )


def not_proved(listed: WithdrawalList) -> tuple[str, ...]:
    return (
        f"That nothing was withdrawn since {listed.listed_at.isoformat()}: an older list in the "
        "place of a newer one looks the same. It is signed anew at least once a day.",
        "That it is complete: it shows what the ledger's owner answers for having withdrawn.",
        "That weights which it does not name are fit for use: it knows versions of one service, "
        "byte for byte, and no copies that were changed since.",
    )


def end_if_withdrawn(listed: WithdrawalList, digests: list[str]) -> None:
    """Exit with 3 if the list speaks against any of these weights."""
    if any(withdrawals_of(listed, digest) for digest in digests):
        raise typer.Exit(WITHDRAWN)
