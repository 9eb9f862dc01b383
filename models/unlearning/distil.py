"""Distil to p̄: teach the network to predict of each forgotten sample what references predict of it.

Source: our own idea; distillation is Hinton's (arXiv 1503.02531). The target is bounded and pulls
from both sides, so that a sample can be neither under- nor over-forgotten for long.
"""

import torch
from torch import Tensor, nn

from models.batch_losses import (
    batch_losses,
    differentiable,
    movable,
    require_losses_per_sample,
)
from models.data import Split
from models.diverged import Diverged
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.training import device_of
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import (
    at_least_one,
    require_both_sets,
    require_finite,
    working_copy,
)
from models.unlearning.logits import Logits, class_logits
from models.unlearning.shuffled import full_batches

COLUMNS = ("divergence", "retain_loss")


def distil(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    targets: Tensor,
    weight: float = 1.0,
    rate: float = 3e-3,
    steps: int = 120,
    batch_size: int = 256,
    forget_batch: int = 512,
    logits: Logits = class_logits,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Lower L_R + `weight` · KL(p_i ‖ f(x_i)), under Adam with a rate that falls to nought.

    `targets`: p, the distribution due of each forget sample, `[F, C]`, from
    `reference_predictions.expected`. Raises `ValueError` where the network's output is not one row
    of C logits per sample, and for targets that are no distributions: a sample that every reference
    saw has none.
    """
    require_both_sets(split)
    at_least_one(steps=steps, batch_size=batch_size, forget_batch=forget_batch)
    student = working_copy(network)
    due = checked(targets, student, split, logits)
    require_losses_per_sample(network, recipe, split.forget)
    trace = {name: list[float]() for name in COLUMNS}
    optimizer = torch.optim.Adam(movable(student), lr=rate)
    fall = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=1.0, end_factor=0.0, total_iters=steps
    )
    passes = 0
    with seeded(seed) as generator:
        asked = full_batches(len(split.forget), forget_batch, generator=generator)
        kept = full_batches(len(split.retain), batch_size, generator=generator)
        for step in range(steps):
            progress(step / steps, f"step {step + 1} of {steps}")
            rows, others = next(asked), next(kept)
            with differentiable(student):
                guess = logits(student, split.forget.rows(rows, device=device_of(student)))
            away = divergence(due[rows.to(due.device)], guess)
            retain = batch_losses(student, recipe, split.retain, others).mean()
            descend(retain + weight * away, optimizer)
            fall.step()
            passes += len(rows) + len(others)
            trace["divergence"].append(away.item())
            trace["retain_loss"].append(retain.item())
    require_finite(student)
    return Unlearned(student.eval(), Trace(Stop.BUDGET, steps, passes, columns=trace))


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One update; `Diverged` where the loss is not finite."""
    if not bool(torch.isfinite(loss)):
        raise Diverged(f"the loss is {loss.item()}")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def divergence(due: Tensor, logits: Tensor) -> Tensor:
    """KL(p ‖ softmax z), mean over a batch of distributions p and logits z, `[B, C]` each.

    Its gradient in z is (softmax z − p) / B: nought at the target, and bounded everywhere.
    """
    entropy = torch.special.entr(due).sum(dim=1)
    crossed = -(due * torch.log_softmax(logits, dim=1)).sum(dim=1)
    return (crossed - entropy).mean()


@torch.no_grad()
def checked(targets: Tensor, network: nn.Module, split: Split, logits: Logits) -> Tensor:
    """The targets where the network is, refused where they cannot be its output's."""
    device = device_of(network)
    first = logits(network, split.forget.rows(torch.arange(1), device=device))
    wanted = (len(split.forget), first.shape[1])
    if targets.shape != wanted:
        raise ValueError(f"targets have shape {tuple(targets.shape)}, not [F, C] = {wanted}")
    sums = targets.sum(dim=1)
    odd = ~(sums - 1).abs().le(1e-3) | (targets < 0).any(dim=1)
    if bool(odd.any()):
        raise ValueError(
            f"the targets of {int(odd.sum())} samples are no distributions; a sample that every "
            "reference saw has none"
        )
    return targets.to(device, first.dtype)
