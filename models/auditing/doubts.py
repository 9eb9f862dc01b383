"""Reasons not to believe what an audit measured, however good it looks."""

from collections.abc import Iterator

from models.auditing.evidence import Doubts, Evidence, Yardstick
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


def held_out(evidence: Evidence) -> Iterator[Finding]:
    """What cannot be seen where held-out samples are the only yardstick."""
    if any(leak.yardstick is Yardstick.HELD_OUT for leak in evidence.leaks):
        why = evidence.unasked or "none is there, or all of them saw one of the samples"
        yield Finding(
            Verdict.PASS,
            f"No network that never saw them could be asked ({why}), so they were held against "
            "held-out samples of their strata. That cannot tell memory from people who are easier "
            "than others, and the memory of odd people may look like none.",
        )
