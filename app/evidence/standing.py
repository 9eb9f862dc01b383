"""Whether weights are still to be used, by a list of withdrawals; and whether it fits a receipt."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.evidence.errors import VerificationFailed
from app.evidence.receipt import Verified
from app.evidence.strict import member, shown
from app.evidence.withdrawals import Version, Withdrawal, WithdrawalList, version_of


def withdrawals_of(listed: WithdrawalList, weights_digest: str) -> tuple[Withdrawal, ...]:
    """Why these weights may not be used; empty if the list does not speak against them.

    A job may find that there is nothing to change: its version has its parent's weights, and these
    are in use for as long as it is.
    """
    return tuple(
        each
        for each in listed.withdrawn
        if each.version.weights_sha256 == weights_digest
        and not has_weights(successor(listed, each), weights_digest)
    )


def has_weights(version: Version | None, weights_digest: str) -> bool:
    return version is not None and version.weights_sha256 == weights_digest


def successor(listed: WithdrawalList, withdrawal: Withdrawal) -> Version | None:
    """What is to be used instead: the first in the line of successors that is not withdrawn."""
    known = {(each.model, each.version.number): each for each in listed.withdrawn}
    following = withdrawal.successor
    while following is not None and (withdrawal.model, following.number) in known:
        following = known[withdrawal.model, following.number].successor
    return following


def refuse_misfit(listed: WithdrawalList, verified: Verified) -> None:
    """Fail unless the list is of the receipt's ledger, and has what the receipt says was withdrawn.

    It may be older than the receipt: it is signed when something is withdrawn, not with each entry.
    """
    ledger, head = verified.ledger.checkpoint, listed.ledger
    if head.origin != ledger.origin:
        raise VerificationFailed(
            f"the list is of the ledger {shown(head.origin)} and the receipt of another"
        )
    if head.size == ledger.size and head.root != ledger.root:
        raise VerificationFailed(
            f"the list and the receipt show two different ledgers of {head.size} entries"
        )
    on_the_list = {(each.model, each.version) for each in listed.withdrawn}
    for model, version in withdrawn_by(verified.statement.predicate):
        if (model, version) not in on_the_list:
            raise VerificationFailed(
                f"the receipt says that version {version.number} of {shown(model)} was withdrawn, "
                f"and the list, of {head.size} entries, does not"
            )


def withdrawn_by(predicate: Mapping[str, Any]) -> Iterator[tuple[str, Version]]:
    """Model and version of all that a receipt says was withdrawn; only completed ones say it."""
    if "outcomes" not in predicate:
        return
    for outcome in member(predicate, "outcomes", list):
        for version in member(outcome, "withdrawn", list):
            yield member(outcome, "model", str), version_of(version)
