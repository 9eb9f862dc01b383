"""Reasons not to believe what an audit measured, however good it looks."""

from collections.abc import Iterator

from models.auditing.evidence import Doubts
from models.auditing.finding import Finding, Verdict

MOST_COPIED = 0.01  # of the unseen samples
SUSPICIOUS = 0.05  # an AUC so far above chance, with its whole interval


def findings(doubts: Doubts, route: str) -> Iterator[Finding]:
    """Where attacks cannot be believed; a retrain is exact by how it was made, and only told."""
    verdict = Verdict.PASS if route == "retrain" else Verdict.INCONCLUSIVE
    if doubts.constant:
        yield Finding(
            verdict, "The network scores all samples alike, so that no attack can tell anything."
        )
    if doubts.copied > MOST_COPIED:
        yield Finding(
            verdict,
            f"{doubts.copied:.0%} of the samples that are called unseen are copies of samples that "
            "were trained on.",
        )
    looks = doubts.suspicion
    if looks is not None and looks.low > SUSPICIOUS:
        yield Finding(
            verdict,
            "The validation samples look as if they had been trained on: on the parent they are "
            f"told from test samples, AUC {looks.estimate:+z.2f} from chance "
            f"[{looks.low:+z.2f}, {looks.high:+z.2f}].",
        )
