"""What the baselines are not to be asked: knobs that do nothing, and weights that do not move."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from models.progress import silent
from models.unlearning.contract import Method
from models.unlearning.descent import descent
from models.unlearning.distil import distil
from models.unlearning.msg import msg
from models.unlearning.neggrad_plus import neggrad_plus
from models.unlearning.scrub import scrub
from models.unlearning.ssd import ssd
from tests.models.blobs import CLASSES, make_split, recipe, trained
from tests.models.test_baselines import TRAINED

EVENLY = torch.full((16, CLASSES), 1 / CLASSES)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("knob", ["epochs", "batch_size"])
def test_no_epoch_and_no_batch_is_refused_by_name(name: str, knob: str) -> None:
    nothing: dict[str, Any] = {knob: 0}

    with pytest.raises(ValueError, match=f"^{knob} is at least 1, not 0"):
        TRAINED[name](trained(), make_split(), recipe, seed=0, progress=silent, **nothing)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (partial(ssd, most_samples=0), "most_samples is at least 1"),
        (partial(scrub, max_epochs=0), "max_epochs is at least 1"),
        (partial(scrub, forget_batch_size=0), "forget_batch_size is at least 1"),
        (partial(distil, targets=EVENLY, steps=0), "steps is at least 1"),
        (partial(distil, targets=EVENLY, batch_size=0), "batch_size is at least 1"),
        (partial(distil, targets=EVENLY, forget_batch=0), "forget_batch is at least 1"),
        (partial(msg, reset=1.5), "reset is a share, 0 to 1, not 1.5"),
        (partial(msg, reset=-0.1), "reset is a share"),
        (partial(neggrad_plus, retain_weight=1.5), "retain_weight is a share, 0 to 1, not 1.5"),
        (partial(neggrad_plus, retain_weight=-0.1), "retain_weight is a share"),
    ],
)
def test_a_knob_that_means_nothing_is_refused_by_name(method: Method, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(trained(), make_split(), recipe, seed=0, progress=silent)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_refused_with_the_way_out(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="keep the weights in float32"):
        descent(nn.Linear(2, 2, dtype=dtype), rate=0.1)


def test_frozen_weights_may_be_in_half_precision() -> None:
    frozen = nn.Linear(2, 2, dtype=torch.float16).requires_grad_(False)

    way = descent(nn.Sequential(frozen, nn.Linear(2, 2)), rate=0.1)

    assert way.steps == 0
