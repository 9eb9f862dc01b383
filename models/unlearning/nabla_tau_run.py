"""∇τ's loop: every forget sample once per forget-epoch, and a retain batch with each step."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses
from models.data import Split, row_batches
from models.diverged import Diverged
from models.keeping import Keeper
from models.progress import Progress
from models.recipe import Recipe
from models.training import evaluate
from models.unlearning.nabla_tau_schedule import Schedule
from models.unlearning.shuffled import Renewed
from models.unlearning.targets import class_means

COLUMNS = ("alpha", "tau", "forget_loss", "retain_loss", "gap", "gate_on")


@dataclass(frozen=True)
class Run:
    """What every step needs; `fixed` is None where τ is to be taken from the validation set."""

    network: nn.Module
    split: Split
    recipe: Recipe
    plan: Schedule
    batch_size: int
    term: Callable[[Tensor, Tensor], Tensor]
    fixed: Tensor | None
    class_matched: bool
    refresh_every: int
    train_mode: bool
    decay_per_step: bool


@dataclass
class Course:
    """Where the loop stands, and what changes on the way.

    `levels`: τ of each forget sample as it was last taken, `[F]`. `passes`: how many samples went
    forward and backward.
    """

    optimizer: torch.optim.Optimizer
    decay: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator
    retain_rows: Renewed
    levels: Tensor
    epoch: int = 0
    passes: int = 0
    log: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLUMNS})


def descend(run: Run, course: Course, *, progress: Progress, keeper: Keeper | None = None) -> None:
    """All forget-epochs that are still to come."""
    epochs = run.plan.epochs
    while course.epoch < epochs:
        progress(course.epoch / epochs, f"forget-epoch {course.epoch + 1} of {epochs}")
        forget_epoch(run, course)
        course.epoch += 1
        if keeper is not None:
            keeper.keep()


def forget_epoch(run: Run, course: Course) -> None:
    """Every forget sample once, at levels that are taken anew where that is due."""
    if run.fixed is None and course.epoch % run.refresh_every == 0:
        course.levels = validation_levels(
            run.network, run.split, run.recipe, class_matched=run.class_matched
        )
    run.network.train(run.train_mode)
    batches = row_batches(len(run.split.forget), run.batch_size, generator=course.generator)
    for step, rows in enumerate(batches):
        alpha = run.plan.alpha_at(course.epoch, step, decay_per_step=run.decay_per_step)
        _step(run, course, alpha=alpha, rows=rows, kept=next(course.retain_rows))
    course.decay.step()


def _step(run: Run, course: Course, *, alpha: float, rows: Tensor, kept: Tensor) -> None:
    """One update; forget and retain samples go forward apart, so as not to share statistics."""
    forget = batch_losses(run.network, run.recipe, run.split.forget, rows)
    retain = batch_losses(run.network, run.recipe, run.split.retain, kept).mean()
    level = course.levels[rows].to(forget)
    loss = alpha * run.term(forget, level) + (1 - alpha) * retain
    if not bool(torch.isfinite(loss)):
        raise Diverged("the loss is not finite")
    course.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    course.optimizer.step()
    mean, tau = float(forget.detach().mean()), float(level.mean())
    row = (alpha, tau, mean, float(retain.detach()), tau - mean, float(mean < tau))
    for name, value in zip(COLUMNS, row, strict=True):
        course.log[name].append(value)
    course.passes += len(rows) + len(kept)


def validation_levels(
    network: nn.Module, split: Split, recipe: Recipe, *, class_matched: bool
) -> Tensor:
    """τ for each forget sample, `[F]`, all the same: the mean validation loss, without gradient.

    Class-matched: the mean over the forget samples of their classes' mean validation losses.
    `ValueError` where there are no validation samples.
    """
    if len(split.validation) == 0:
        raise ValueError("without validation samples there is no τ; pass `targets`")
    losses = evaluate(network, split.validation, recipe.losses)
    if class_matched:
        losses = class_means(losses, split.validation.strata, split.forget.strata)
    return losses.mean().expand(len(split.forget))


def paired_retain_rows(split: Split, size: int, *, generator: torch.Generator) -> Renewed:
    """A retain batch for every step: freshly shuffled every ⌊b_R/b_F⌋ forget-epochs, never dry."""
    of_forget, of_retain = (-(-len(part) // size) for part in (split.forget, split.retain))
    steps = max(1, of_retain // of_forget) * of_forget
    return Renewed(len(split.retain), size, steps, generator)
