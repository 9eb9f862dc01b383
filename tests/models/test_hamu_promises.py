"""What HAMU promises to first order comes true as steps get short, and hardness means hardness.

Acceptance checks of our notes on arXiv 2606.02119: the error of a promised gain is of second order
in η, and the angle between the gradients closes as the forget set becomes more like what is kept.
"""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from models.data import Samples, Split, leaves
from models.hardness.reconciliation import reconciliation
from models.progress import silent
from models.training import evaluate
from models.unlearning.hamu import hamu
from tests.models.blobs import blobs, make_split, recipe, trained


def in_double(samples: Samples) -> Samples:
    inputs, labels = leaves(samples.batch)
    return replace(samples, batch=(inputs.double(), labels))


def relative_error(rate: float) -> float:
    """Of the gain that one step promises, by the loss of the whole forget set."""
    split = make_split(32)
    parts = (in_double(part) for part in (split.forget, split.retain, split.validation))
    network, doubled = deepcopy(trained()).double(), Split(*parts)
    made = hamu(
        network,
        doubled,
        recipe,
        seed=0,
        progress=silent,
        steps=1,
        aim="ascent",
        metric="plain",
        max_norm=1e9,
        share=0.5,
        rate=rate,
        most_rate=rate,
        trust=False,
        mending=0,
    )
    before, after = (
        float(evaluate(each, doubled.forget, recipe.losses).mean())
        for each in (network, made.network)
    )
    promised = made.trace.columns["promised_gain"][0]
    return abs(after - before - promised) / promised


def test_the_error_of_a_promise_is_of_first_order_in_the_length_of_the_step() -> None:
    errors = [relative_error(rate) for rate in (4e-3, 2e-3, 1e-3)]

    assert errors[0] / errors[1] == pytest.approx(2, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.25)
    assert errors[2] < 0.05


def half_trained() -> nn.Module:
    """A network in which both gradients are still more than noise."""
    short = replace(recipe, schedule=replace(recipe.schedule, epochs=2))
    torch.manual_seed(0)
    network = short.build()
    short.fit(network, short.pool(), seed=0, progress=silent)
    return network.eval()


def test_the_angle_closes_as_more_of_a_class_is_exchanged_for_random_samples() -> None:
    pool, network = blobs(400, seed=5, name="pool"), half_trained()
    cosines: list[float] = []
    own, others = (torch.nonzero(flags).flatten() for flags in (pool.strata == 0, pool.strata != 0))
    for exchanged in (0.0, 0.25, 0.5, 0.75):
        kept = round((1 - exchanged) * len(own))
        forget = torch.cat([own[:kept], others[: len(own) - kept]])
        retain = torch.tensor(sorted({*range(len(pool))} - {*forget.tolist()}))
        found = reconciliation(network, pool.take(retain), pool.take(forget), recipe)
        assert found.cosine is not None
        cosines.append(found.cosine)

    assert cosines == sorted(cosines)
    assert cosines[-1] - cosines[0] > 0.3
