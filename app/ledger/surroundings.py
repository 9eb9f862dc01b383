"""What lies beside a ledger and is held against it: keys, the store, logs, the time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.evidence.note import VerifierKey


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The database says nothing of these itself; whoever checks it brings them."""

    keys: Sequence[VerifierKey]  # the ledger's public keys, as the checker trusts them
    stored: Callable[[str], bool]  # whether the store has weights of this digest
    key_of: Callable[[str], bytes]  # by which keyed hash the ledger knows somebody
    now: datetime
    kept: Sequence[bytes] = ()  # notes that were kept elsewhere
    told: Iterable[tuple[str, str]] = ()  # where from, and a line of it: logs, broker messages
