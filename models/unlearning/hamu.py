"""HAMU: each step promises a forget gain and costs the retain set as little as can be.

Source: Chen et al., arXiv 2606.02119, for the step, its thresholds and the bound per block (see
`hamu_step`). Ours are what makes it end well: the quota is a part of what is still owed to targets,
a trust region is checked on the forget set itself, success is a reason to stop, and a few steps of
quota nought mend the retain loss once the goal is reached.
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
from models.training import device_of, evaluate
from models.unlearning import blocks as flat
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import at_least_one, require_both_sets, working_copy
from models.unlearning.hamu_pace import Pace
from models.unlearning.hamu_resuming import leave, take_up
from models.unlearning.hamu_run import LOOK_EVERY, forget
from models.unlearning.hamu_settings import require_sound
from models.unlearning.hamu_state import Course, Learnt, Run
from models.unlearning.hamu_step import Form
from models.unlearning.metric import Metric, curvature_of
from models.unlearning.shuffled import full_batches
from models.unlearning.targets import (
    Aim,
    Goal,
    Shape,
    can_be_confidence,
    complete,
    goal_for,
    in_full,
    rank_matched,
)
from models.unlearning.team import ALONE, Team, agree
from models.unlearning.trust import Reach

# η of plain training in each metric, and the most to which a quota may raise it. In Adam's metric
# η is about the change of a single weight, so one value does for all networks.
RATES = {Metric.ADAM: (1e-3, 3e-3), Metric.PLAIN: (0.05, 50.0), Metric.FISHER: (0.01, 10.0)}


def hamu(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    seed: int,
    progress: Progress,
    targets: Tensor | None = None,
    spread: Tensor | None = None,
    aim: str | None = None,
    band: float | None = None,
    shape: str = Shape.LINEAR,
    metric: str = Metric.ADAM,
    memory: float = 0.95,
    form: str = Form.QUOTA,
    share: float | None = None,
    quota: float | None = None,
    ceiling: float = 0.8,
    part: float = 0.3,
    rate: float | None = None,
    most_rate: float | None = None,
    trust: bool = True,
    max_norm: float | None = None,
    price: float = 0.0,
    patience: int = 5,
    steps: int = 120,
    mending: int = 12,
    batch_size: int = 256,
    forget_batch: int = 512,
    autocast: torch.dtype | None = None,
    team: Team = ALONE,
    resume: Resume | None = None,
) -> Unlearned:
    """Raise the forget loss to its target and keep the retain loss low.

    What is raised: `targets` is τ per forget sample (`[F]`, NaN where unknown) from a reference
    table, and `spread` how far unseen samples scatter around it; without them the target is the
    validation loss of equal rank. `aim` overrides the choice, which is CONFIDENCE where no loss is
    below nought and else SAMPLES; ASCENT needs no target. `band` is the mean deficit that may
    remain, in its scale; `shape` says what each sample's deficit counts.

    How: in `metric` (`memory`: of its moving mean), in `form`, with the quota of `Pace` (`share`,
    `quota`, `ceiling`, `part`), η between `rate` and `most_rate`, each gradient clipped to
    `max_norm` (1 in the plain metric, where nothing is given), at most `steps` steps, of which
    `mending` with quota nought after the goal is reached. `trust`: take back steps that overshoot.

    `team`: see `hamu_distributed`. `resume`: where the state is left between steps; a run that was
    killed goes on from there to the same bits. Several processes cannot: that is a `ValueError`.

    When to stop for harm: when the moving average of the predicted retain change, less `price`
    times the predicted forget gain, has been above nought for `patience` steps (S2). In the form
    `utility`, where the retain change is bounded: when that of the forget gain has been below it.

    The method as published: `aim="ascent", metric="plain", share=0.5, rate=1e-4, trust=False,
    mending=0, patience=steps`.
    """
    require_both_sets(split)
    at_least_one(batch_size=batch_size, forget_batch=forget_batch, patience=patience)
    require_sound(
        rate=rate,
        most_rate=most_rate,
        max_norm=max_norm,
        part=part,
        ceiling=ceiling,
        memory=memory,
        share=share,
        quota=quota,
        price=price,
        band=band,
    )
    if resume is not None and team.size > 1:
        raise ValueError("a team of several processes cannot go on where it was killed")
    kind = Metric(metric)
    slow, fast = RATES[kind]
    slow, fast = slow if rate is None else rate, fast if most_rate is None else most_rate
    student = working_copy(network)
    require_losses_per_sample(student, recipe, split.forget)
    blocks = flat.lay_out(movable(student), team=team)
    curvature = curvature_of(blocks, kind, decay=memory)
    whole = len(split.forget) <= forget_batch
    run = Run(
        network=student,
        split=split,
        recipe=recipe,
        blocks=blocks,
        goal=_goal(
            student,
            split,
            recipe,
            targets=targets,
            spread=spread,
            aim=aim,
            band=band,
            shape=Shape(shape),
            team=team,
        ),
        pace=Pace(Form(form), slow, share=share, quota=quota, ceiling=ceiling, part=part),
        curvature=curvature,
        trust=trust,
        max_norm=1.0 if max_norm is None and kind is Metric.PLAIN else max_norm,
        price=price,
        patience=patience,
        mending=mending,
        autocast=autocast,
        reach=Reach(rate=slow, most=max(slow, fast)),
        good=(start := blocks.weights.clone()),
        calm=start,
        team=team,
        learnt=None if whole else Learnt(torch.zeros_like(curvature.mean_square)),
    )
    with seeded(seed) as generator:
        stop = _carried_out(
            run,
            _course(split, batch_size, forget_batch, generator),
            steps=steps,
            progress=progress,
            resume=resume,
        )
    flat.let_go(blocks)
    trace = Trace(stop, len(run.log["share"]), run.passes, columns=run.log, notes=tuple(run.notes))
    return Unlearned(student, trace)


def _course(split: Split, batch_size: int, forget_batch: int, generator: torch.Generator) -> Course:
    """The beginning; a forget set that fits into one batch needs no shuffling."""
    forget, retain = len(split.forget), len(split.retain)
    return Course(
        generator=generator,
        forget_rows=None
        if forget <= forget_batch
        else full_batches(forget, forget_batch, generator=generator),
        retain_rows=full_batches(retain, batch_size, generator=generator),
        since=LOOK_EVERY,
    )


def _carried_out(
    run: Run, course: Course, *, steps: int, progress: Progress, resume: Resume | None
) -> Stop:
    """All steps, from where an earlier run was killed if it left anything."""
    if resume is None:
        return forget(run, course, steps=steps, progress=progress)
    take_up(resume, run, course)
    keeper = Keeper(partial(leave, resume, run, course))
    return forget(run, course, steps=steps, progress=progress, keeper=keeper)


def _goal(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    targets: Tensor | None,
    spread: Tensor | None,
    aim: str | None,
    band: float | None,
    shape: Shape,
    team: Team,
) -> Goal:
    """Targets from the table where there is one, by rank where there is none.

    The ascent has no end, and so no target: the losses themselves stand for it. In a team the first
    rank's numbers are everyone's, for ranks with goals of their own would stop at other steps.
    """
    losses = in_full(evaluate(network, split.forget, recipe.losses))
    if aim == Aim.ASCENT:
        levels = losses
    elif targets is None:
        levels = rank_matched(network, split, recipe)
    else:
        levels = complete(targets, network, split, recipe)
    losses = losses.to(device_of(network))
    levels = levels.to(losses).clone()  # what was handed in is not overwritten
    agree(team, losses)
    agree(team, levels)
    default = Aim.CONFIDENCE if can_be_confidence(losses, levels) else Aim.SAMPLES
    return goal_for(
        losses,
        levels,
        aim=default if aim is None else Aim(aim),
        band=band,
        spread=spread,
        shape=shape,
    )
