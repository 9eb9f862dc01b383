"""Says in plain words what a verified receipt shows, and what it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.evidence.canonical import utc_hour
from app.evidence.checkpoint import SignedCheckpoint

HOLDS_MORE = (
    "That the network holds nothing more of anyone: the statement gives the attacks that were "
    "tried and how they fared, and another attack may find more."
)
NOTHING_FORGOTTEN = (
    "That anything was forgotten: the statement names no weights in which it would have been."
)


@dataclass(frozen=True)
class Findings:
    """Sentences for whoever holds a receipt, who may be no engineer."""

    proved: tuple[str, ...]
    not_proved: tuple[str, ...]


def findings(
    ledger: SignedCheckpoint,
    index: int,
    kind: str,
    hour: datetime,
    signers: Sequence[str],
    *,
    about_weights: bool,
    compared: str | None,
) -> Findings:
    """The findings of a receipt of which every check has passed.

    `about_weights`: whether the statement names any. `compared`: its name for the weights that were
    compared, None if none were.
    """
    checkpoint = ledger.checkpoint
    proved = [
        f"The statement is, byte for byte, the one that {' and '.join(signers)} signed.",
        f"It is entry {index}, of type {kind}, among the {checkpoint.size} entries of the ledger "
        f"{checkpoint.origin}, whose root hash the ledger signed: {checkpoint.root.hex()}.",
        *(
            f"By {datetime.fromtimestamp(witness.time, UTC).isoformat()} the witness "
            f"{witness.name} had seen this state of the ledger, and nothing that contradicts it."
            for witness in ledger.cosigners
        ),
    ]
    not_proved = [
        "That what the statement says is true: the signature shows who answers for it.",
        HOLDS_MORE if about_weights else NOTHING_FORGOTTEN,
        f"When it was entered, beyond the ledger's own word: the hour from {utc_hour(hour)}.",
        "Which persons and samples it is about: the statement only commits to them.",
    ]
    if compared is not None:
        proved.append(f"The weights that were compared are those it calls {compared}.")
    elif about_weights:
        not_proved.append("That any weights in use are those it names: none were compared.")
    if not ledger.cosigners:
        not_proved.append(
            "That the ledger shows everybody the same history: no witness you trust "
            "has cosigned this state of it."
        )
    return Findings(tuple(proved), tuple(not_proved))
