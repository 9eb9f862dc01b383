import copy
import inspect
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Samples, Split, leaves
from models.diverged import Diverged
from models.progress import silent
from models.unlearning.contract import Method
from models.unlearning.descent import descent, one_pass
from models.unlearning.finetune import finetune
from models.unlearning.l1_sparse import l1_sparse
from models.unlearning.logits import class_logits
from models.unlearning.msg import msg
from models.unlearning.neggrad_plus import neggrad_plus
from models.unlearning.salun import salun
from models.unlearning.scrub import scrub
from models.unlearning.ssd import ssd
from tests.models.blobs import (
    CLASSES,
    WIDTH,
    blobs,
    distance,
    make_split,
    mean_loss,
    recipe,
    same_state,
    trained,
)

# SSD only moves weights that it finds, so it is asked to find some.
TRAINED: dict[str, Method] = {
    "finetune": finetune,
    "l1_sparse": l1_sparse,
    "msg": msg,
    "neggrad_plus": neggrad_plus,
    "salun": salun,
    "scrub": scrub,
}
METHODS: dict[str, Method] = {**TRAINED, "ssd": partial(ssd, selection=1.5)}


@pytest.fixture
def network() -> nn.Module:
    return trained()


each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@each_method
def test_the_parameters_of_the_student_move_and_the_original_does_not(
    method: Method, network: nn.Module
) -> None:
    before = copy.deepcopy(network)

    done = method(network, make_split(), recipe, seed=0, progress=silent)

    assert same_state(network, before)
    assert distance(done.network, network) > 1e-3
    assert not done.network.training
    assert done.trace.sample_passes >= len(make_split().forget)
    assert all(parameter.requires_grad for parameter in done.network.parameters())


@each_method
def test_the_same_seed_gives_the_same_bits(method: Method, network: nn.Module) -> None:
    first, second = (
        method(network, make_split(), recipe, seed=3, progress=silent) for _ in range(2)
    )

    assert same_state(first.network, second.network)
    assert first.trace == second.trace


@each_method
@pytest.mark.parametrize("forget", [0, 128], ids=["nothing", "everything"])
def test_forgetting_nothing_or_everything_is_refused(
    method: Method, forget: int, network: nn.Module
) -> None:
    with pytest.raises(ValueError, match="set is empty"):
        method(network, make_split(forget), recipe, seed=0, progress=silent)


@each_method
def test_a_network_that_cannot_move_is_refused(method: Method, network: nn.Module) -> None:
    frozen = copy.deepcopy(network).requires_grad_(False)

    with pytest.raises(ValueError, match="frozen"):
        method(frozen, make_split(), recipe, seed=0, progress=silent)


@each_method
def test_samples_that_are_not_finite_are_reported_as_divergence(
    method: Method, network: nn.Module
) -> None:
    split = make_split()
    inputs, labels = leaves(split.retain.batch)
    broken = replace(split.retain, batch=(torch.full_like(inputs, torch.nan), labels))

    with pytest.raises(Diverged):
        method(network, replace(split, retain=broken), recipe, seed=0, progress=silent)


@each_method
def test_whoever_watches_can_stop_it(method: Method, network: nn.Module) -> None:
    def stop(share: float, words: str) -> None:
        raise InterruptedError(words)

    with pytest.raises(InterruptedError):
        method(network, make_split(), recipe, seed=0, progress=stop)


@each_method
def test_all_knobs_are_keywords_with_defaults(method: Method) -> None:
    knobs = list(inspect.signature(method).parameters.values())[3:]

    assert all(knob.kind is inspect.Parameter.KEYWORD_ONLY for knob in knobs)
    assert all(
        knob.default is not inspect.Parameter.empty
        for knob in knobs
        if knob.name not in ("seed", "progress")
    )


def test_one_sample_is_left_over_without_breaking_normalisation(network: nn.Module) -> None:
    split = make_split(forget=1)

    done = finetune(network, split, recipe, epochs=1, batch_size=126, seed=0, progress=silent)

    assert done.trace.sample_passes == 126


def test_one_pass_shows_every_sample_once() -> None:
    samples, generator = blobs(11, seed=0, name="x"), torch.Generator().manual_seed(0)

    rows = torch.cat(list(one_pass(samples, 3, generator=generator)))

    assert sorted(rows.tolist()) == list(range(11))


def test_an_infinite_loss_ends_the_descent(network: nn.Module) -> None:
    way = descent(network, rate=0.1)

    with pytest.raises(Diverged, match="step 1"):
        way.step(torch.tensor(torch.inf, requires_grad=True), samples=1)


def test_a_finite_loss_with_an_infinite_gradient_is_seen_at_the_end() -> None:
    way = descent(nn.Linear(1, 1), rate=0.1)
    (weight, _) = way.network.parameters()

    way.step((weight - weight.detach()).sqrt().sum(), samples=1)

    with pytest.raises(Diverged, match="not finite at the end"):
        way.ended()


def test_finetuning_lowers_the_retain_loss(network: nn.Module) -> None:
    split = make_split()

    done = finetune(network, split, recipe, seed=0, progress=silent)

    assert mean_loss(done.network, split.retain) < mean_loss(network, split.retain)


def test_neggrad_plus_raises_the_forget_loss(network: nn.Module) -> None:
    split = make_split()

    bold = partial(neggrad_plus, retain_weight=0.9, rate=0.1)

    done = bold(network, split, recipe, seed=0, progress=silent)

    assert mean_loss(done.network, split.forget) > 1.2 * mean_loss(network, split.forget)


def test_l1_leaves_smaller_weights_than_finetuning(network: nn.Module) -> None:
    plain, sparse = (
        method(network, make_split(), recipe, rate=0.05, seed=0, progress=silent)
        for method in (partial(l1_sparse, penalty=0.0), partial(l1_sparse, penalty=5e-2))
    )

    def size(of: nn.Module) -> float:
        return sum(parameter.abs().sum().item() for parameter in of.parameters())

    assert size(sparse.network) < 0.9 * size(plain.network)


def test_l1_without_a_penalty_is_finetuning(network: nn.Module) -> None:
    plain = finetune(network, make_split(), recipe, seed=0, progress=silent)

    unpressed = l1_sparse(network, make_split(), recipe, penalty=0.0, seed=0, progress=silent)

    assert same_state(plain.network, unpressed.network)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(nn.Linear(WIDTH, 1), id="one number per sample"),
        pytest.param(nn.Unflatten(1, (2, 4)), id="not one row per sample"),
        pytest.param(nn.Linear(WIDTH + 1, CLASSES), id="does not take the first tensor"),
        pytest.param(nn.Bilinear(WIDTH, WIDTH, CLASSES), id="takes two inputs"),
    ],
)
def test_a_network_without_class_logits_is_refused_with_the_way_out(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="pass `logits=`"):
        class_logits(network, recipe.pool().batch)


def test_a_device_without_memory_is_no_network_without_class_logits() -> None:
    class Large(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("none left")

    with pytest.raises(torch.OutOfMemoryError, match="none left"):
        class_logits(Large(), recipe.pool().batch)


class Named:
    """A recipe whose batches go by name, so that only what the contract promises can be used."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, labels = leaves(batch)
        return F.cross_entropy(network(inputs), labels, reduction="none")

    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, labels = leaves(batch)
        return (network(inputs).argmax(dim=1) == labels).float()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"salun"}))
def test_batches_may_go_by_name(name: str, network: nn.Module) -> None:
    def by_name(samples: Samples) -> Samples:
        inputs, labels = leaves(samples.batch)
        return replace(samples, batch={"inputs": inputs, "labels": labels})

    split = make_split()
    named = Split(by_name(split.forget), by_name(split.retain), by_name(split.validation))
    anything: Any = Named()

    one = METHODS[name](network, named, anything, seed=0, progress=silent)
    other = METHODS[name](network, split, recipe, seed=0, progress=silent)

    assert same_state(one.network, other.network)


@pytest.mark.parametrize(("size", "pieces"), [(1, 5), (2, 2), (4, 1), (5, 1)])
def test_only_a_leftover_piece_of_one_is_left_out(size: int, pieces: int) -> None:
    five = make_split(5).forget

    drawn = list(one_pass(five, size, generator=torch.Generator().manual_seed(0)))

    assert len(drawn) == pieces
