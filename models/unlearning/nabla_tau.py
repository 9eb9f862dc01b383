"""∇τ: raise the forget loss to that of unseen data and no further, while training on what is kept.

Source: Trippa, Campagnano, Bucarelli, Tolomei, Silvestri, "∇τ: Gradient-based and Task-Agnostic
Machine Unlearning", arXiv 2403.14339, and the authors' notebooks for what the paper leaves open.
The published method is the default; every switch that departs from it is a keyword.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.batch_losses import movable, require_losses_per_sample
from models.data import Split
from models.keeping import Keeper
from models.progress import Progress
from models.recipe import Recipe
from models.resuming import Resume
from models.seeding import seeded
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import (
    at_least_one,
    require_both_sets,
    require_finite,
    working_copy,
)
from models.unlearning.nabla_tau_resuming import leave, take_up
from models.unlearning.nabla_tau_run import Course, Run, descend, paired_retain_rows
from models.unlearning.nabla_tau_schedule import Preset, schedule_of, settings_of
from models.unlearning.targets import complete


def forget_term(
    losses: Tensor,
    target: Tensor,
    *,
    per_sample: bool = False,
    two_sided: bool = False,
    scale_free: bool = False,
) -> Tensor:
    """What α multiplies, a scalar; `losses` `[B]`, `target` a scalar or `[B]`.

    Published: ReLU(mean τ − mean ℓ)², the hinge on the batch mean. `two_sided` leaves the ReLU out
    (what the released text notebook does). `scale_free`: τ·ReLU(1 − ℓ/τ)², in the units of a loss.
    `per_sample`: mean (τ_i − ℓ_i)₊, linear; two-sided |τ_i − ℓ_i|; scale-free as above per sample.
    """
    level = target if per_sample else target.mean()
    gap = level - (losses if per_sample else losses.mean())
    if not two_sided:
        gap = torch.relu(gap)
    if scale_free:
        if not bool((level > 0).all()):
            raise ValueError("scale_free divides by τ, and a τ is not above nought; leave it out")
        return (gap.square() / level).mean()
    return gap.abs().mean() if per_sample else gap.square()


def nabla_tau(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    seed: int,
    progress: Progress,
    preset: str = "image",
    alpha: float | None = None,
    targets: Tensor | None = None,
    class_matched: bool = False,
    two_sided: bool = False,
    scale_free: bool = False,
    decay_per_step: bool = False,
    train_mode: bool = False,
    epochs: int | None = None,
    most_epochs: int | None = None,
    rate: float | None = None,
    batch_size: int | None = None,
    refresh_every: int = 5,
    resume: Resume | None = None,
) -> Unlearned:
    """α·ReLU(τ − L_F)² + (1−α)·L_R under AdamW; α₀ and the number of epochs follow the set sizes.

    τ is the mean validation loss, taken anew every `refresh_every` forget-epochs; `class_matched`
    weighs it as the forget set's classes are. `targets` (`[len(split.forget)]`, from a reference
    table) replaces τ by a fixed level per sample under a linear hinge. For small forget sets the
    published α₀ = (5/3)·share forgets too little (our notes); then pass `alpha`, 0.5 for instance.

    Raises `ValueError` for `class_matched` with `targets`, and for validation samples that are
    forgotten or kept as well: τ would be a training loss.

    `resume`: where the state is left between forget-epochs; a run that was killed goes on from
    there to the same bits.
    """
    require_both_sets(split)
    at_least_one(batch_size=batch_size, refresh_every=refresh_every)
    if class_matched and targets is not None:
        raise ValueError("class_matched weighs τ, and targets stand in its place; leave one out")
    _refuse_trained_validation(split)
    settings = settings_of(preset, rate=rate, batch_size=batch_size)
    plan = schedule_of(
        len(split.forget),
        len(split.retain),
        preset=settings,
        alpha=alpha,
        epochs=epochs,
        most_epochs=most_epochs,
    )
    student = working_copy(network)
    if any(parameter.dtype == torch.float16 for parameter in movable(student)):
        raise ValueError("AdamW's ε is nought in float16; keep the weights in float32 or bfloat16")
    require_losses_per_sample(student, recipe, split.forget)
    if train_mode:
        _refuse_pieces_of_one(student, split, settings.batch_size)
    fixed = None if targets is None else complete(targets, student, split, recipe)
    run = Run(
        network=student,
        split=split,
        recipe=recipe,
        plan=plan,
        batch_size=settings.batch_size,
        term=partial(
            forget_term,
            per_sample=fixed is not None,
            two_sided=two_sided,
            scale_free=scale_free,
        ),
        fixed=fixed,
        class_matched=class_matched,
        refresh_every=refresh_every,
        train_mode=train_mode,
        decay_per_step=decay_per_step,
    )
    with seeded(seed) as generator:
        course = _course(run, settings, generator)
        _carry_out(run, course, progress=progress, resume=resume)
    require_finite(student)
    steps = plan.epochs * plan.steps_per_epoch
    return Unlearned(student.eval(), Trace(Stop.BUDGET, steps, course.passes, columns=course.log))


def _course(run: Run, settings: Preset, generator: torch.Generator) -> Course:
    """The beginning: nothing moved, nothing drawn."""
    optimizer = torch.optim.AdamW(movable(run.network), lr=settings.rate, weight_decay=0.01)
    decay = torch.optim.lr_scheduler.LinearLR(
        optimizer,
        start_factor=1.0,
        end_factor=settings.final_rate,
        total_iters=run.plan.epochs,
    )
    return Course(
        optimizer=optimizer,
        decay=decay,
        generator=generator,
        retain_rows=paired_retain_rows(run.split, run.batch_size, generator=generator),
        levels=torch.empty(0) if run.fixed is None else run.fixed,
    )


def _carry_out(run: Run, course: Course, *, progress: Progress, resume: Resume | None) -> None:
    """All forget-epochs, from where an earlier run was killed if it left anything."""
    if resume is None:
        descend(run, course, progress=progress)
        return
    take_up(resume, run, course)
    keeper = Keeper(partial(leave, resume, run, course))
    descend(run, course, progress=progress, keeper=keeper)


def _refuse_trained_validation(split: Split) -> None:
    """τ is what the network makes of samples that it never saw."""
    shared = set(split.validation.ids) & {*split.forget.ids, *split.retain.ids}
    if shared:
        raise ValueError(
            f"{len(shared)} of the validation samples are also forgotten or kept; τ needs samples"
            " on which the network was not trained"
        )


def _refuse_pieces_of_one(network: nn.Module, split: Split, size: int) -> None:
    """Batch normalisation takes no statistics of one sample."""
    normalised = any(
        isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
        for module in network.modules()
    )
    if normalised and any(len(part) % size == 1 % size for part in (split.forget, split.retain)):
        raise ValueError(
            f"batches of {size} leave one sample by itself, on which batch normalisation cannot"
            " train; choose another batch_size, or leave train_mode out"
        )
