"""Each baseline against its formula written out, in double precision.

A batch is a whole set, so that nothing depends on how samples are shuffled.
"""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from models.data import Batch, Samples, Split
from models.hardness.memorization import tuned_on_holdout
from models.progress import silent
from models.unlearning.contract import Unlearned
from models.unlearning.finetune import finetune
from models.unlearning.l1_sparse import l1_sparse
from models.unlearning.msg import msg
from models.unlearning.neggrad_plus import neggrad_plus
from models.unlearning.scrub import scrub
from models.unlearning.ssd import ssd
from tests.models.nabla_tau_oracle import gradient, mean_loss, recipe, split_of, trained

WHOLE = 256  # no set of these is larger


class ByHand:
    """SGD with momentum 0.9 and weight decay 5e-4, as torch defines them, one loop per update."""

    def __init__(self, network: nn.Module) -> None:
        self.network = deepcopy(network).eval()
        self.weights = list(self.network.parameters())
        self.speeds = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, slopes: list[Tensor], *, rate: float) -> None:
        for weight, speed, slope in zip(self.weights, self.speeds, slopes, strict=True):
            speed.mul_(0.9).add_(slope + 5e-4 * weight)
            weight.sub_(rate * speed)

    def down(self, loss: Tensor, *, rate: float) -> None:
        self.step(list(torch.autograd.grad(loss, self.weights)), rate=rate)


def same_weights(made: nn.Module, due: ByHand) -> None:
    for own, expected in zip(made.parameters(), due.weights, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-10)


def kl(teacher: Tensor, student: Tensor, *, temperature: float) -> Tensor:
    """T² KL(teacher‖student), mean over samples."""
    p, q = (torch.softmax(logits / temperature, dim=1) for logits in (teacher, student))
    return temperature**2 * (p * (p / q).log()).sum(dim=1).mean()


def inputs_of(samples: Samples) -> Tensor:
    batch: Batch = samples.batch
    assert isinstance(batch, tuple)
    return batch[0]


def run(method: Callable[..., Unlearned], split: Split, **knobs: float) -> nn.Module:
    return method(trained(), split, recipe, seed=3, progress=silent, **knobs).network


def test_finetuning_goes_down_the_retain_loss() -> None:
    split, due = split_of(16), ByHand(trained())
    due.network.train()
    for _ in range(3):
        due.down(mean_loss(due.network, split.retain.batch), rate=0.1)

    same_weights(run(finetune, split, epochs=3, rate=0.1, batch_size=WHOLE), due)


def test_l1_sparses_penalty_falls_from_epoch_to_epoch() -> None:
    split, due = split_of(16), ByHand(trained())
    due.network.train()
    for weight in (0.03, 0.02, 0.01):
        size = sum(each.abs().sum() for each in due.weights)
        due.down(mean_loss(due.network, split.retain.batch) + weight * size, rate=0.1)

    same_weights(run(l1_sparse, split, epochs=3, rate=0.1, penalty=0.03, batch_size=WHOLE), due)


def test_neggrad_plus_weighs_what_is_kept_by_alpha_and_what_goes_by_the_rest() -> None:
    split, due = split_of(16), ByHand(trained())
    for _ in range(3):
        keep, drop = (mean_loss(due.network, part.batch) for part in (split.retain, split.forget))
        due.down(0.8 * keep - 0.2 * drop, rate=0.1)

    made = run(neggrad_plus, split, epochs=3, rate=0.1, retain_weight=0.8, batch_size=WHOLE)

    same_weights(made, due)


def test_scrub_goes_up_in_its_first_epochs_and_keeps_to_its_teacher_in_all() -> None:
    split, due = split_of(16), ByHand(trained())
    epochs = []
    for epoch in (1, 2, 3):
        if epoch <= 2:
            gone = inputs_of(split.forget)
            away = kl(trained()(gone).detach(), due.network(gone), temperature=2.0)
            due.down(-away, rate=0.1)
        kept = inputs_of(split.retain)
        near = kl(trained()(kept).detach(), due.network(kept), temperature=2.0)
        due.down(0.7 * mean_loss(due.network, split.retain.batch) + 0.5 * near, rate=0.1)
        epochs.append(deepcopy(due))

    made = scrub(
        *(trained(), split, recipe),
        epochs=3,
        max_epochs=2,
        rate=0.1,
        retain_weight=0.7,
        distil_weight=0.5,
        temperature=2.0,
        forget_batch_size=WHOLE,
        batch_size=WHOLE,
        seed=3,
        progress=silent,
    )

    chosen = int(made.trace.notes[0].split()[-3])
    same_weights(made.network, epochs[chosen - 1])
    assert made.trace.steps == 2 + 3
    assert chosen == 3


def test_msg_resets_where_the_losses_differ_least_and_slows_the_other_weights_down() -> None:
    split, due = split_of(64), ByHand(trained())  # as many are kept, so all of them are asked
    first, last = due.network[0], due.network[3]  # type: ignore[index]
    slopes = zip(
        due.weights,
        *(gradient(trained(), s.batch) for s in (split.retain, split.forget)),
        strict=True,
    )
    apart = {id(weight): (kept - gone).abs() for weight, kept, gone in slopes}
    sizes = torch.cat([apart[id(layer.weight)].flatten() for layer in (first, last)])
    most = sizes.sort().values[round(0.4 * len(sizes)) - 1]
    torch.manual_seed(3)
    paces = {}
    for layer in (first, last):
        fresh = nn.Linear(layer.in_features, layer.out_features, dtype=torch.float64)
        small = apart[id(layer.weight)] <= most
        layer.weight.data[small] = fresh.weight.data[small]
        paces[id(layer.weight)] = torch.where(small, 1.0, 0.25).double()
    due.network.train()
    for factor in (1.0, 1.0, 0.75, 0.5, 0.25):  # one step up, then down to nought
        loss = mean_loss(due.network, split.retain.batch)
        slow = [
            slope * paces.get(id(weight), 1.0)
            for weight, slope in zip(
                due.weights, torch.autograd.grad(loss, due.weights), strict=True
            )
        ]
        due.step(slow, rate=0.1 * factor)

    made = run(msg, split, epochs=5, rate=0.1, reset=0.4, old_pace=0.25, batch_size=WHOLE)

    same_weights(made, due)


@pytest.mark.parametrize(("most", "read"), [(8, 8 + 8), (100, 16 + 100), (1000, 16 + 112)])
def test_ssd_reads_no_more_of_either_set_than_it_may(most: int, read: int) -> None:
    done = ssd(trained(), split_of(16), recipe, most_samples=most, seed=0, progress=silent)

    assert done.trace.sample_passes == read


def test_held_out_samples_are_learnt_in_evaluation_mode() -> None:
    split, due = split_of(16), deepcopy(trained()).eval()
    optimizer = torch.optim.SGD(due.parameters(), lr=0.001, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        mean_loss(due, split.validation.batch).backward()
        optimizer.step()

    made = tuned_on_holdout(
        trained(), split.validation, recipe, passes=2 * 64, batch_size=64, seed=0
    )

    for own, expected in zip(made.state_dict().values(), due.state_dict().values(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-12)
