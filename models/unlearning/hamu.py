"""HAMU: each step promises a forget gain and costs the retain set as little as can be.

Source: Chen et al., arXiv 2606.02119, for the step, its thresholds and the bound per block (see
`hamu_step`). Ours are what makes it end well: the quota is a part of what is still owed to targets,
a trust region is checked on the forget set itself, success is a reason to stop, harm is one at a
price, and a few steps with quota nought mend the retain loss once the goal is reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.data import Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.training import device_of, evaluate
from models.unlearning import blocks as flat
from models.unlearning.blocks import Blocks
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import (
    batch_losses,
    full_batches,
    gradient,
    movable,
    require_both_sets,
    working_copy,
)
from models.unlearning.hamu_pace import Pace, next_plan
from models.unlearning.hamu_step import Floats, Form, Plan, clip, cosines, thresholds
from models.unlearning.metric import Curvature, Metric, curvature_of, precondition
from models.unlearning.targets import (
    Aim,
    Goal,
    Standing,
    class_matched,
    complete,
    goal_for,
    owed,
    standing,
)
from models.unlearning.trust import KEPT_PROMISE, Harm, Reach, after_step, further, nearer

# η of plain training in each metric, and the most to which a quota may raise it. In Adam's metric
# η is the change of a single weight, whatever the network; in the others nothing so general is known.
RATES = {Metric.ADAM: (1e-3, 3e-3), Metric.PLAIN: (0.05, 50.0), Metric.FISHER: (0.01, 10.0)}
FAILURES = 10  # steps taken back in a row before it is given up
PROBE = 1024  # retain samples whose mean loss says when mending is done


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
    metric: str = Metric.ADAM,
    form: str = Form.QUOTA,
    share: float | None = None,
    quota: float | None = None,
    ceiling: float = 0.8,
    pace: float = 0.2,
    rate: float | None = None,
    most_rate: float | None = None,
    trust: bool = True,
    max_norm: float | None = None,
    steps: int = 120,
    mending: int = 10,
    batch_size: int = 256,
    forget_batch: int = 512,
    price: float = 0.5,
    patience: int = 5,
    memory: float = 0.95,
    autocast: torch.dtype | None = None,
) -> Unlearned:
    """TODO"""
    require_both_sets(split)
    kind = Metric(metric)
    student = working_copy(network)
    blocks = flat.lay_out(movable(student))
    goal = _goal(student, split, recipe, targets, spread, aim, band)
    run = _Run(
        network=student,
        split=split,
        recipe=recipe,
        blocks=blocks,
        goal=goal,
        pace=Pace(
            form=Form(form),
            rate=RATES[kind][0] if rate is None else rate,
            share=share,
            quota=quota,
            ceiling=ceiling,
            part=pace,
        ),
        reach=Reach(
            rate=RATES[kind][0] if rate is None else rate,
            most=RATES[kind][1] if most_rate is None else most_rate,
        ),
        curvature=curvature_of(blocks, kind, decay=memory),
        trust=trust,
        max_norm=max_norm if max_norm is not None or kind is not Metric.PLAIN else 1.0,
        price=price,
        patience=patience,
        mending=mending,
        autocast=autocast,
        good=blocks.weights.clone(),
        calm=blocks.weights.clone(),
    )
    with seeded(seed) as generator:
        stop = _forget(run, steps, batch_size, forget_batch, generator, progress)
    return Unlearned(
        student, Trace(stop, len(run.log.get("share", [])), run.passes, columns=run.log)
    )


@dataclass
class _Run:
    """What changes from step to step, and what steps need."""

    network: nn.Module
    split: Split
    recipe: Recipe
    blocks: Blocks
    goal: Goal
    pace: Pace
    reach: Reach
    curvature: Curvature
    trust: bool
    max_norm: float | None
    price: float
    patience: int
    mending: int
    autocast: torch.dtype | None
    good: Tensor  # weights of the last check that was passed
    calm: Tensor  # the same, before harm was predicted
    last: Standing | None = None
    harm: Harm = field(default_factory=Harm)
    promised: float = 0.0
    mended: int = 0
    passes: int = 0
    log: dict[str, list[float]] = field(default_factory=dict)


def _forget(
    run: _Run,
    steps: int,
    batch_size: int,
    forget_batch: int,
    generator: torch.Generator,
    progress: Progress,
) -> Stop:
    forget, retain = run.split.forget, run.split.retain
    whole = len(forget) <= forget_batch
    every = 1 if whole else min(5, -(-len(forget) // forget_batch))
    forget_rows = full_batches(len(forget), forget_batch, generator=generator)
    retain_rows = full_batches(len(retain), batch_size, generator=generator)
    since = every
    for step in range(steps):
        progress(step / steps, "")
        rows = next(forget_rows)
        losses = batch_losses(run.network, run.recipe, forget, rows, autocast=run.autocast)
        targets = run.goal.targets[rows.to(losses.device)]
        run.passes += len(rows)
        if since >= every:
            since = 0
            if whole:
                now = standing(run.goal, losses.detach()[torch.argsort(rows).to(losses.device)])
            else:
                now = standing(run.goal, evaluate(run.network, forget, run.recipe.losses).to(targets))
            if not _accept(run, now):
                since = every
                if run.reach.undone >= FAILURES:
                    return Stop.BUDGET
                continue
            if now.reached and run.mended >= run.mending:
                return Stop.FORGOTTEN
        since += 1
        kept = batch_losses(run.network, run.recipe, retain, next(retain_rows), autocast=run.autocast)
        run.passes += len(kept)
        params = run.blocks.parameters
        flat.fill(run.blocks.retain_views, gradient(kept.mean(), params))
        flat.fill(run.blocks.forget_views, gradient(-owed(run.goal, losses, targets), params))
        root = precondition(run.blocks, run.curvature)
        raw = flat.triples(run.blocks)
        tri, cr, cf = clip(raw, run.max_norm) if run.max_norm else (raw, 1.0, 1.0)
        now_ = run.last
        plan = next_plan(tri, pace=run.pace, owed=0.0 if now_.reached else now_.owed * cf, cap=run.reach.rate)
        pf, pr = plan.forget_gain / cf, plan.retain_change / cr
        if now_.reached: run.mended += 1
        else: run.harm = after_step(run.harm, pr - run.price * pf)
        for k, v in dict(cos=cosines(tri).mean(), kappa=raw[:,2].sum(), gr=raw[:,0].sum()**.5, gf=raw[:,1].sum()**.5, share=plan.share, capacity=plan.capacity, rate=plan.rate, direct=plan.direct.mean(), pf=pf, pr=pr, lf=now_.mean_loss, lr=float(kept.detach().mean()), owed=now_.owed, harm=run.harm.average).items():
            run.log.setdefault(k, []).append(float(v))
        if run.harm.bad >= run.patience:
            flat.restore(run.blocks, run.calm)
            return Stop.HARM
        if root is not None:
            run.blocks.slopes.mul_(root)
        flat.move(run.blocks, by_retain=plan.retain * cr, by_forget=plan.forget * cf)
        run.promised += pf
    return Stop.BUDGET


def _accept(run: _Run, now: Standing) -> bool:
    if run.last is not None and run.trust:
        gained = run.last.owed - now.owed
        broken = not run.last.reached and gained < KEPT_PROMISE * run.promised
        if now.overshot or broken:
            flat.restore(run.blocks, run.good)
            run.reach = nearer(run.reach)
            run.promised = 0.0
            return False
        run.reach = further(run.reach)
    run.last = now
    run.promised = 0.0
    run.good.copy_(run.blocks.weights)
    if run.harm.bad == 0:
        run.calm.copy_(run.blocks.weights)
    return True


def _goal(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    targets: Tensor | None,
    spread: Tensor | None,
    aim: str | None,
    band: float | None,
) -> Goal:
    """Per-sample targets where there is a table, the class-matched mean where there is none."""
    own = Aim(aim) if aim is not None else Aim.SAMPLES if targets is not None else Aim.MEAN
    levels = (
        class_matched(network, split, recipe)
        if targets is None
        else complete(targets, network, split, recipe)
    )
    losses = evaluate(network, split.forget, recipe.losses)
    device = device_of(network)
    return goal_for(losses.to(device), levels.to(losses).to(device), aim=own, band=band, spread=spread)
