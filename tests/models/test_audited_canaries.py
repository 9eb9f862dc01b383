from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from models.auditing.audit import audit
from models.auditing.report import AuditReport
from models.auditing.riders import Canaries, Side
from models.auditing.verdict import Thresholds
from models.data import Samples
from models.progress import silent
from models.recipe import labelled
from tests.models import blobs

COUNT = 40


def report_of(samples: Samples) -> AuditReport:
    after = deepcopy(blobs.trained())
    for parameter in after.parameters():
        parameter.data += 1e-4
    sides = (Side.RIDES, Side.OUT) * (COUNT // 2)
    return audit(
        blobs.trained(),
        after,
        blobs.make_split(),
        blobs.recipe.holdout().test,
        blobs.recipe,
        route="hamu",
        canaries=Canaries(samples, np.arange(COUNT), sides),
        seed=0,
        thresholds=Thresholds(),
        progress=silent,
    )


def test_coins_are_tested_on_the_networks_own_scores() -> None:
    report = report_of(blobs.blobs(COUNT, seed=5, name="canary"))

    assert report.finite
    assert report.canaries is not None
    assert (report.canaries.riders, report.canaries.never_seen) == (20, 20)
    assert report.canaries.p_value is not None


def test_a_network_that_says_nan_of_one_canary_alone_escalates() -> None:
    samples = blobs.blobs(COUNT, seed=5, name="canary")
    inputs, labels = labelled(samples.batch)
    broken = inputs.clone()
    broken[7] = torch.nan

    report = report_of(replace(samples, batch=(broken, labels)))

    assert (report.verdict, report.finite) == ("escalate", False)
    assert report.canaries is not None
    assert "not finite" in report.canaries.why
