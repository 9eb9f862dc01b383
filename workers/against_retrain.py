"""The child's side of a check: a published version beside a retrain, which is then destroyed."""

import time
from pathlib import Path
from typing import Any

from torch import nn

from models.auditing.audit import audit
from models.auditing.verdict import Thresholds
from models.data import Samples, Split
from models.progress import Progress, part
from models.recipe import Recipe
from models.resuming import Resume
from workers.trials import destroyed
from workers.yardstick import SHARE, yardstick


def carry_out(
    parent: nn.Module,
    served: nn.Module,
    split: Split,
    test: Samples,
    recipe: Recipe,
    *,
    route: str,
    seed: int,
    out: Path,
    resume: Resume,
    progress: Progress,
) -> dict[str, Any]:
    """What an audit says of the version, with a network for a yardstick that truly never saw them.

    The verdict is one of equivalence, two-sided: the attacks' AUCs and the mean scores must lie as
    near to the retrain's as the thresholds of any audit say.
    """
    reference = yardstick(parent, split, recipe, seed=seed, progress=progress, resume=resume)
    started = time.monotonic()
    report = audit(
        parent,
        served,
        split,
        test,
        recipe,
        route=route,
        references=(reference.network,),
        seed=seed,
        thresholds=Thresholds(),
        progress=part(progress, SHARE, 1.0, ""),
    )
    resume.over()  # before it is told that the retrain is gone
    return {
        "verdict": report.verdict,
        "sentences": report.sentences,
        "numbers": report.numbers,
        "retrain_seconds": reference.seconds,
        "audit_seconds": time.monotonic() - started,
        "destroyed": destroyed(reference.network, out),
    }
