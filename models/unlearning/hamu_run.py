"""HAMU's loop: look where the forget set stands, accept or take back, plan, move."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from models.batch_losses import batch_losses
from models.data import Samples
from models.diverged import Diverged
from models.keeping import Keeper
from models.progress import Progress
from models.training import evaluate
from models.unlearning import blocks as flat
from models.unlearning.contract import Stop
from models.unlearning.gradients import own_gradient
from models.unlearning.hamu_pace import next_plan
from models.unlearning.hamu_state import COLUMNS, Course, Run
from models.unlearning.hamu_step import (
    NO_GRADIENT,
    Floats,
    Form,
    Plan,
    clip,
    cosines,
    thresholds,
)
from models.unlearning.metric import precondition
from models.unlearning.targets import Aim, Goal, Standing, brought_down, standing
from models.unlearning.team import add_up, assemble, part
from models.unlearning.trust import KEPT_PROMISE, after_step, further, nearer

FAILURES = 20  # steps taken back in a row, before it is given up
LOOK_EVERY = 5  # steps between two looks at a forget set that is larger than its batch


def forget(
    run: Run, course: Course, *, steps: int, progress: Progress, keeper: Keeper | None = None
) -> Stop:
    """Take steps until there is a reason to stop; the network then has the last good weights."""
    while course.step < steps:
        stop = turn(run, course, course.step / steps, progress)
        if stop is not None:
            return stop
        course.step += 1
        if keeper is not None:
            keeper.keep()
    now = standing(run.goal, all_forget_losses(run), before=run.last)
    stop, _ = look(run, now)
    return stop or Stop.BUDGET


def turn(run: Run, course: Course, share: float, progress: Progress) -> Stop | None:
    """A look where one is due, and a step where nothing is to be taken back.

    A forget set that fits into one batch is used whole, and looked at before every step for
    nothing: the losses that give the gradient also say where it stands.
    """
    whole = course.forget_rows is None
    rows = everyone(run) if course.forget_rows is None else next(course.forget_rows)
    losses = part_losses(run, run.split.forget, rows)
    if course.since >= (1 if whole else LOOK_EVERY):
        seen = whole_losses(run, losses, rows) if whole else all_forget_losses(run)
        now = standing(run.goal, seen, before=run.last)
        stop, accepted = look(run, now)
        if stop is not None or not accepted:
            return stop
        course.since = 0
    course.since += 1
    _announce(run, share, progress)
    try:
        return take_step(run, losses, rows, next(course.retain_rows))
    except Diverged:
        first = course.since == 1  # at weights that were accepted
        if first or not run.trust:
            raise
        course.since = LOOK_EVERY
        return take_back(run)


def look(run: Run, now: Standing) -> tuple[Stop | None, bool]:
    """Judge the steps since the last look: a reason to stop, and whether they are accepted.

    They are taken back where the forget set is now forgotten too well, or is further from its goal
    by more than the promise of coming nearer. A promise that is merely missed is no reason, because
    under a hinge per sample some of them always step back over the edge. `Diverged` where a loss
    that is not finite cannot be taken back.
    """
    gained = 0.0 if run.last is None else run.last.owed - now.owed
    if run.last is not None and run.log["share"] and not run.taken_back:
        run.log["realised_gain"][-1] = gained if math.isfinite(gained) else 0.0
    astray = run.last is not None and gained < -max(run.promised, run.goal.slack)
    lost = not math.isfinite(now.mean_loss)
    if run.trust and run.last is not None and (now.overshot or astray or lost):
        return take_back(run), False
    if lost:
        raise Diverged(f"the mean loss of the forget set is {now.mean_loss}")
    if run.last is not None and not run.taken_back:
        kept = gained >= KEPT_PROMISE * run.promised
        run.reach = further(run.reach) if kept else replace(run.reach, undone=0)
    run.last, run.promised = now, 0.0
    keep(run)
    if not now.reached or run.mended < run.mending:
        return None, True
    if now.paid:
        return Stop.FORGOTTEN, True
    run.notes.append(
        f"the forget set as a whole is where it should be, but by samples that owed nothing: of"
        f" {run.goal.first:.3g} that was owed {now.owed:.3g} is left"
    )
    return Stop.LEVEL, True


def take_back(run: Run) -> Stop | None:
    """Return to the last good weights; the reason to stop if it is too often.

    What was learnt at weights that are thrown away goes with them.
    """
    flat.restore(run.blocks, run.good)
    if run.learnt is not None:
        run.curvature.mean_square.copy_(run.learnt.mean_square)
        run.curvature.weight, run.harm = run.learnt.weight, run.learnt.harm
    run.log["undone"][-1] = 1.0
    run.reach, run.promised = nearer(run.reach), 0.0
    if run.reach.undone < FAILURES:
        return None
    run.notes.append(f"{FAILURES} steps in a row had to be taken back")
    return Stop.BUDGET


def keep(run: Run) -> None:
    """The weights are good now, and calm too where no harm is predicted: then one copy is both."""
    if run.harm.bad and run.good is run.calm:
        run.good = run.good.clone()
    run.good.copy_(run.blocks.weights)
    if not run.harm.bad:
        run.calm = run.good
    if run.learnt is not None:
        run.learnt.mean_square.copy_(run.curvature.mean_square)
        run.learnt.weight, run.learnt.harm = run.curvature.weight, run.harm


def take_step(run: Run, losses: Tensor, rows: Tensor, retain_rows: Tensor) -> Stop | None:
    """One HAMU step, with quota nought where the goal is reached; or the reason not to take it."""
    assert run.last is not None
    kept = part_losses(run, run.split.retain, retain_rows).sum() / len(retain_rows)
    root = _slopes(run, kept, losses, rows)
    triples = flat.triples(run.blocks)
    clipped, of_retain, of_forget = (
        clip(triples, run.max_norm) if run.max_norm is not None else (triples, 1.0, 1.0)
    )
    due = 0.0 if run.last.reached else due_now(run.goal, run.last) * of_forget
    plan = next_plan(clipped, pace=run.pace, owed=due, cap=run.reach.rate)
    gain, change = plan.forget_gain / of_forget, plan.retain_change / of_retain
    excess = -gain if run.pace.form is Form.UTILITY else change - run.price * gain
    if not run.last.reached:
        run.harm = after_step(run.harm, excess)
    _note(run, triples, plan, gain, change, excess, float(add_up(run.team, kept.detach())))
    stop = _reason_not_to(run, plan, whole=len(rows) == len(run.split.forget))
    if stop is not None:
        flat.restore(run.blocks, run.calm if stop is Stop.HARM else run.good)
        return stop
    flat.move(
        run.blocks,
        by_retain=plan.retain * of_retain,
        by_forget=plan.forget * of_forget,
        root=root,
    )
    run.promised += gain
    run.mended += run.last.reached
    return None


def due_now(goal: Goal, now: Standing) -> float:
    """What is owed, without end where the aim has none."""
    return torch.inf if goal.aim is Aim.ASCENT else now.owed


def _slopes(run: Run, kept: Tensor, losses: Tensor, rows: Tensor) -> Tensor | None:
    """Put both gradients beside the weights, scaled by M^-½, which is returned."""
    parameters, autocast = run.blocks.parameters, run.autocast
    targets = run.goal.targets[part(run.team, rows).to(losses.device)]
    assert run.last is not None
    debt = brought_down(run.goal, losses, targets, before=run.last, count=len(rows))
    flat.put(
        run.blocks,
        own_gradient(kept, parameters, autocast=autocast),
        own_gradient(-debt, parameters, autocast=autocast),
    )
    return precondition(run.blocks, run.curvature)


def _reason_not_to(run: Run, plan: Plan, *, whole: bool) -> Stop | None:
    """Why the step is not taken. Only a `whole` forget set says that nothing is left to move: a
    batch of it may hold none of those that owe.
    """
    assert run.last is not None
    if run.harm.bad >= run.patience:
        return Stop.HARM
    if plan.shortfall > 0:
        run.notes.append(f"the bound exceeds what the trust region allows by {plan.shortfall:.3g}")
        return Stop.INFEASIBLE
    if whole and plan.capacity <= NO_GRADIENT and not run.last.reached:
        return Stop.ZERO_GRADIENT
    return None


def everyone(run: Run) -> Tensor:
    """The places of the whole forget set."""
    return torch.arange(len(run.split.forget))


def part_losses(run: Run, samples: Samples, rows: Tensor) -> Tensor:
    """Losses, with their graph, of this rank's part of the batch: all of it in a team of one."""
    run.passes += len(rows)
    own = part(run.team, rows)
    losses = batch_losses(run.network, run.recipe, samples, own, autocast=run.autocast)
    return losses.to(run.blocks.weights.dtype)


def whole_losses(run: Run, losses: Tensor, rows: Tensor) -> Tensor:
    """`[F]`: the losses of a batch that is the whole forget set, from every rank's part of it."""
    return assemble(run.team, losses.detach(), part(run.team, rows), len(rows))


def all_forget_losses(run: Run) -> Tensor:
    """`[F]`: the losses of the whole forget set, by a pass of its own."""
    rows = everyone(run)
    own = part(run.team, rows)
    samples = run.split.forget.take(own) if run.team.size > 1 else run.split.forget
    losses = evaluate(run.network, samples, run.recipe.losses).to(run.goal.targets)
    return assemble(run.team, losses, own, len(rows))


def _announce(run: Run, share: float, progress: Progress) -> None:
    assert run.last is not None
    doing = "mending" if run.last.reached else "forgetting"
    progress(share, f"{doing}, {run.last.owed:.3g} owed, forget loss {run.last.mean_loss:.3g}")


def _note(
    run: Run,
    triples: Floats,
    plan: Plan,
    gain: float,
    change: float,
    excess: float,
    retain_loss: float,
) -> None:
    assert run.last is not None
    limits = thresholds(triples, share=plan.share)
    row = (
        triples[:, 2].sum(),
        cosines(triples).mean(),
        limits.easy.sum(),
        limits.hard.sum(),
        plan.share,
        plan.capacity,
        plan.rate,
        plan.direct.mean(),
        gain,
        0.0,
        change,
        run.last.mean_loss,
        retain_loss,
        run.last.owed,
        excess,
        run.harm.average,
        plan.shortfall,
        0.0,
    )
    for name, value in zip(COLUMNS, row, strict=True):
        run.log[name].append(float(value))
