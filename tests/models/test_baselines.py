import copy
import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Holdout, Samples, Split, leaves
from models.progress import silent
from models.recipe import Classifier
from models.seeding import seeded
from models.training import Schedule, evaluate
from models.unlearning.contract import Diverged, Method, Stop
from models.unlearning.descent import descent, one_pass
from models.unlearning.finetune import finetune
from models.unlearning.gradients import movable, saved
from models.unlearning.l1_sparse import l1_sparse
from models.unlearning.logits import class_logits
from models.unlearning.msg import draw_anew, msg, smallest, triangle, weighted_layers
from models.unlearning.neggrad_plus import neggrad_plus
from models.unlearning.salun import hold, relabelled, salient, salun
from models.unlearning.scrub import divergence, score_gap, scrub
from models.unlearning.ssd import importance, ssd

CLASSES, WIDTH = 4, 8

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


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def blobs(count: int, *, seed: int, name: str) -> Samples:
    """Four overlapping clouds; a label in ten is wrong, so that there is something to memorize."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = 1.5 * F.one_hot(labels, WIDTH).float()
    wrong = torch.rand(count, generator=generator) < 0.1
    return Samples(
        ids=tuple(f"{name}-{place}" for place in range(count)),
        batch=(
            centres + torch.randn(count, WIDTH, generator=generator),
            torch.where(wrong, (labels + 1) % CLASSES, labels),
        ),
        strata=labels,
    )


def build() -> nn.Module:
    return nn.Sequential(
        nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CLASSES)
    )


recipe = Classifier(
    name="blobs",
    network=build,
    read_pool=lambda: blobs(128, seed=0, name="pool"),
    read_holdout=lambda: Holdout(blobs(64, seed=1, name="val"), blobs(64, seed=2, name="test")),
    schedule=Schedule(epochs=30, batch_size=32, weight_decay=0.0),
)


@pytest.fixture(scope="module")
def network(one_thread: None) -> nn.Module:
    with seeded(0):
        fresh = recipe.build()
    recipe.fit(fresh, recipe.pool(), seed=0, progress=silent)
    return fresh


def make_split(forget: int = 16) -> Split:
    pool = recipe.pool()
    places = torch.arange(len(pool))
    return Split(
        pool.take(places < forget), pool.take(places >= forget), recipe.holdout().validation
    )


def distance(one: nn.Module, other: nn.Module) -> float:
    """The Euclidean distance of two networks' parameters; buffers do not count."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return torch.stack([(a - b).square().sum() for a, b in pairs]).sum().sqrt().item()


def same_state(one: nn.Module, other: nn.Module) -> bool:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


def mean_loss(network: nn.Module, samples: Samples) -> float:
    return evaluate(network, samples, recipe.losses).mean().item()


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


def test_scrub_returns_the_stored_epoch_nearest_to_held_out_samples(network: nn.Module) -> None:
    # All epochs go up, and steeply, so that the last ones go past the aim.
    wild = partial(scrub, epochs=8, max_epochs=8, rate=0.4, distil_weight=0.0)

    done = wild(network, make_split(), recipe, seed=0, progress=silent)
    gaps = done.trace.columns["forget_score_gap"]

    assert min(gaps) < gaps[-1]
    assert score_gap(done.network, make_split(), recipe) == min(gaps)


def test_scrub_drives_the_student_away_from_its_teacher(network: nn.Module) -> None:
    wild = partial(scrub, epochs=8, max_epochs=8, rate=0.4, distil_weight=0.0)

    done = wild(network, make_split(), recipe, seed=0, progress=silent)

    # Towards the teacher instead of away from it, this ends at 0.09.
    assert done.trace.columns["forget_divergence"][-1] > 100


def test_scrub_without_a_reason_to_rewind_keeps_the_last_epoch(network: nn.Module) -> None:
    done = scrub(network, make_split(), recipe, rate=1e-6, seed=0, progress=silent)

    assert len(set(done.trace.columns["forget_score_gap"])) == 1
    assert done.trace.notes == ("rewound to the weights after epoch 5 of 5",)


def test_scrub_needs_held_out_samples(network: nn.Module) -> None:
    split = make_split()
    blind = replace(split, validation=split.validation.take(torch.arange(0)))

    with pytest.raises(ValueError, match="held-out"):
        scrub(network, blind, recipe, seed=0, progress=silent)


def test_the_divergence_is_kl_times_the_squared_temperature_averaged_over_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    p, q = (torch.softmax(logits / 4, dim=1) for logits in (teacher, student))

    measured = divergence(teacher, student, temperature=4.0)

    torch.testing.assert_close(measured, 16 * (p * (p / q).log()).sum(dim=1).mean())
    assert divergence(student, student, temperature=4.0).item() == 0


@pytest.mark.parametrize("saliency", [0.1, 0.5])
def test_weights_outside_saluns_mask_stay_bit_for_bit(saliency: float, network: nn.Module) -> None:
    done = salun(network, make_split(), recipe, saliency=saliency, seed=0, progress=silent)

    pairs = list(zip(done.network.parameters(), network.parameters(), strict=True))
    moved = sum(int((after != before).sum()) for after, before in pairs)
    total = sum(before.numel() for _, before in pairs)
    assert 0.9 * saliency * total < moved <= round(saliency * total)


def test_weights_that_were_put_back_keep_no_momentum(network: nn.Module) -> None:
    way = descent(network, rate=0.1)
    parameters = movable(way.network)
    masks = [torch.zeros_like(parameter, dtype=torch.bool) for parameter in parameters]
    way.step(recipe.losses(way.network, make_split().forget.batch).mean(), samples=16)
    assert way.optimizer.state[parameters[0]]["momentum_buffer"].abs().max() > 0

    hold(way, parameters, saved(movable(network)), masks)

    assert same_state(way.network, network)
    assert all(way.optimizer.state[p]["momentum_buffer"].abs().max() == 0 for p in parameters)


def test_saluns_mask_keeps_the_largest_gradients_of_the_whole_network() -> None:
    gradients = [torch.tensor([[-9.0, 1.0]]), torch.tensor([0.5, 3.0])]

    masks = salient(gradients, 0.5)

    assert [mask.tolist() for mask in masks] == [[[True, False]], [False, True]]


def test_equal_gradients_do_not_change_how_many_weights_may_move() -> None:
    masks = salient([torch.zeros(6), torch.zeros(4)], 0.5)

    assert sum(int(mask.sum()) for mask in masks) == 5


def test_random_labels_are_drawn_evenly_from_all_classes() -> None:
    forget = blobs(4000, seed=0, name="x")

    labels = leaves(relabelled(forget, 7, generator=torch.Generator().manual_seed(0)).batch)[1]

    # Each count is 571 ± 22.
    assert torch.bincount(labels, minlength=7).sub(4000 / 7).abs().max() < 90


def test_salun_refuses_batches_without_integer_labels(network: nn.Module) -> None:
    split = make_split()
    inputs, labels = leaves(split.forget.batch)
    soft = replace(split.forget, batch=(inputs, labels.float()))

    with pytest.raises(ValueError, match="int64 labels"):
        salun(network, replace(split, forget=soft), recipe, seed=0, progress=silent)


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


def test_ssds_importance_is_the_mean_of_squares_and_not_the_square_of_the_mean(
    network: nn.Module,
) -> None:
    samples = make_split().forget
    weight = next(network.parameters())
    singles = [
        torch.autograd.grad(recipe.losses(network, samples.rows(row)).mean(), weight)[0]
        for row in torch.arange(len(samples)).split(1)
    ]
    whole = torch.autograd.grad(recipe.losses(network, samples.batch).mean(), weight)[0]

    measured = importance(network, samples, recipe)[0]

    torch.testing.assert_close(measured, torch.stack(singles).square().mean(dim=0))
    assert measured.sum() > 2 * whole.square().sum()


def test_ssd_does_not_depend_on_how_samples_come_together(network: nn.Module) -> None:
    forget = make_split().forget
    rows = torch.arange(len(forget))
    doubled = importance(network, forget.take(rows), recipe)

    twice = replace(
        forget.take(torch.cat((rows, rows.flip(0)))),
        ids=tuple(f"copy-{place}" for place in range(2 * len(forget))),
    )

    for once, again in zip(doubled, importance(network, twice, recipe), strict=True):
        torch.testing.assert_close(once, again)


def test_ssd_shrinks_exactly_the_weights_that_matter_most_for_the_forget_set(
    network: nn.Module,
) -> None:
    split = make_split()
    everything = recipe.pool()

    done = ssd(network, split, recipe, selection=2.0, dampening=0.5, seed=0, progress=silent)

    ours, all_of_it = (importance(network, s, recipe)[0] for s in (split.forget, everything))
    before = next(network.parameters())
    shrunk = before * (0.5 * all_of_it / ours).clamp(max=1.0)
    wanted = torch.where(ours > 2.0 * all_of_it, shrunk, before)
    assert not torch.equal(wanted, before)
    torch.testing.assert_close(next(done.network.parameters()), wanted)


def test_ssd_says_when_it_found_nothing_to_do(network: nn.Module) -> None:
    done = ssd(network, make_split(), recipe, selection=1e9, seed=0, progress=silent)

    assert done.trace.stop is Stop.ZERO_GRADIENT
    assert same_state(done.network, network)


def test_msg_draws_the_weights_with_the_smallest_gradients_anew(network: nn.Module) -> None:
    student = copy.deepcopy(network)
    layers = weighted_layers(student)
    masks = smallest([torch.rand_like(layer.weight) for layer in layers], 0.3)

    draw_anew(layers, masks)

    before = [layer.weight for layer in weighted_layers(network)]
    for layer, mask, old in zip(layers, masks, before, strict=True):
        assert bool(((layer.weight != old) == mask).all())
    total = sum(mask.numel() for mask in masks)
    assert sum(int(mask.sum()) for mask in masks) == round(0.3 * total)


def test_msg_ranks_by_absolute_size() -> None:
    masks = smallest([torch.tensor([-0.1, 5.0]), torch.tensor([-7.0, 0.2])], 0.5)

    assert [mask.tolist() for mask in masks] == [[True, False], [False, True]]


def test_msg_leaves_no_hook_behind(network: nn.Module) -> None:
    done = msg(network, make_split(), recipe, epochs=1, seed=0, progress=silent).network
    split = make_split()

    done.zero_grad()
    recipe.losses(done, split.retain.batch).mean().backward()
    hooked = [layer.weight.grad for layer in weighted_layers(done)]
    clean = copy.deepcopy(done)
    clean.zero_grad()
    recipe.losses(clean, split.retain.batch).mean().backward()

    for with_hook, without in zip(hooked, weighted_layers(clean), strict=True):
        assert with_hook is not None
        torch.testing.assert_close(with_hook, without.weight.grad)


def test_msgs_rate_rises_then_falls_to_zero() -> None:
    factor = triangle(10, 0.2)

    assert [factor(step) for step in (0, 1, 2, 6, 10)] == [0.5, 1.0, 1.0, 0.5, 0.0]


def test_msg_needs_a_layer_to_reset() -> None:
    flat = nn.BatchNorm1d(WIDTH)

    with pytest.raises(ValueError, match="there are none"):
        msg(flat, make_split(), recipe, seed=0, progress=silent)


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
