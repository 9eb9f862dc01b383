"""What an audit concludes, as a whole and from each single finding."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What an audit concludes."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    ESCALATE = "escalate"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Finding:
    """One reason for a verdict, in words."""

    verdict: Verdict
    sentence: str
