import random
from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Samples
from models.progress import silent
from models.recipe import labelled
from models.seeding import seeded
from models.training import Schedule, evaluate, train


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def losses(network: nn.Module, batch: Batch) -> Tensor:
    inputs, labels = labelled(batch)
    return F.cross_entropy(network(inputs), labels, reduction="none")


def make_samples(count: int = 40) -> Samples:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (count,), generator=generator)
    inputs = torch.randn(count, 5, generator=generator) + labels.unsqueeze(1)
    return Samples(tuple(f"s{place}" for place in range(count)), (inputs, labels), labels)


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))


def trained(seed: int, schedule: Schedule | None = None) -> nn.Module:
    network = make_network()
    schedule = schedule or Schedule(epochs=3, batch_size=8)
    train(network, make_samples(), losses, schedule=schedule, seed=seed, progress=silent)
    return network


def weights_of(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_one_seed_gives_one_network_whatever_was_drawn_before() -> None:
    first = trained(seed=7)
    torch.rand(5)
    again = trained(seed=7)

    assert torch.equal(weights_of(first), weights_of(again))


def test_another_seed_gives_another_network() -> None:
    assert not torch.equal(weights_of(trained(seed=7)), weights_of(trained(seed=8)))


def test_the_first_step_goes_down_the_gradient_at_a_25th_of_the_peak_rate() -> None:
    network, samples = nn.Linear(5, 3), make_samples(10)
    start = deepcopy(network)
    losses(start, samples.batch).mean().backward()
    schedule = Schedule(epochs=40, batch_size=10, peak_rate=0.5, weight_decay=0.0, momentum=0.0)

    def stop_after_one_step(share: float, words: str) -> None:
        if share > 0:
            raise InterruptedError(words)

    with pytest.raises(InterruptedError):
        train(network, samples, losses, schedule=schedule, seed=0, progress=stop_after_one_step)

    assert start.weight.grad is not None
    torch.testing.assert_close(network.weight, start.weight - 0.5 / 25 * start.weight.grad)


def test_confidence_is_read_before_the_update_and_in_the_order_of_the_samples() -> None:
    network, samples = nn.Linear(5, 3), make_samples(10)
    before = torch.exp(-losses(network, samples.batch)).detach()
    schedule = Schedule(epochs=1, batch_size=10)

    confidence = train(network, samples, losses, schedule=schedule, seed=0, progress=silent)

    torch.testing.assert_close(confidence, before)


def test_confidence_is_the_mean_over_the_epochs() -> None:
    network, samples = nn.Linear(5, 3), make_samples(12)
    before = torch.exp(-losses(network, samples.batch)).detach()
    schedule = Schedule(epochs=4, batch_size=5, peak_rate=0.0)

    confidence = train(network, samples, losses, schedule=schedule, seed=0, progress=silent)

    torch.testing.assert_close(confidence, before)


def test_training_lowers_the_loss_and_ends_in_evaluation_mode() -> None:
    samples = make_samples()
    before = evaluate(make_network(), samples, losses).mean()

    network = trained(seed=0, schedule=Schedule(epochs=20, batch_size=8))

    assert evaluate(network, samples, losses).mean() < 0.8 * before
    assert not network.training


def test_there_must_be_something_to_train_on() -> None:
    nothing = make_samples().take(torch.zeros(40, dtype=torch.bool))

    with pytest.raises(ValueError, match="nothing to train on"):
        train(make_network(), nothing, losses, schedule=Schedule(1), seed=0, progress=silent)


def test_progress_rises_to_one() -> None:
    shares = []

    train(
        make_network(),
        make_samples(),
        losses,
        schedule=Schedule(epochs=4),
        seed=0,
        progress=lambda share, _: shares.append(share),
    )

    assert shares == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_progress_that_raises_stops_the_training_and_the_seeds_are_restored() -> None:
    def stop(share: float, words: str) -> None:
        if share > 0:
            raise InterruptedError(words)

    network, samples = make_network(), make_samples()
    state = torch.get_rng_state()

    with pytest.raises(InterruptedError, match="epoch 2 of 3"):
        train(network, samples, losses, schedule=Schedule(3), seed=0, progress=stop)

    assert torch.equal(torch.get_rng_state(), state)


def test_seeding_ends_with_the_generators_as_they_were() -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    expected = (torch.rand(3).tolist(), random.random(), np.random.rand())
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)

    with seeded(1):
        torch.rand(10)
        random.random()
        np.random.rand()
        assert torch.are_deterministic_algorithms_enabled()

    assert (torch.rand(3).tolist(), random.random(), np.random.rand()) == expected
    assert not torch.are_deterministic_algorithms_enabled()


def test_one_seed_repeats_every_generator() -> None:
    def draws() -> tuple[float, float, float, float]:
        with seeded(3) as generator:
            return (
                torch.rand(()).item(),
                random.random(),
                float(np.random.rand()),
                torch.rand((), generator=generator).item(),
            )

    assert draws() == draws()


def test_evaluation_ignores_dropout_and_leaves_the_mode_as_it_was() -> None:
    network = make_network().train()

    first = evaluate(network, make_samples(), losses)
    again = evaluate(network, make_samples(), losses)

    assert torch.equal(first, again)
    assert network.training


def test_evaluation_does_not_depend_on_the_size_of_its_batches() -> None:
    network, samples = make_network(), make_samples()

    whole = evaluate(network, samples, losses, batch_size=40)
    pieces = evaluate(network, samples, losses, batch_size=7)

    torch.testing.assert_close(whole, pieces)
    assert not whole.requires_grad
