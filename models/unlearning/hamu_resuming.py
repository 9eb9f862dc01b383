"""Leaves a run of HAMU behind between two steps, and goes on from there to the same bits."""

from dataclasses import asdict

from torch import Tensor

from models.resuming import Left, Resume, put_back_random, random_state
from models.unlearning import blocks as flat
from models.unlearning.hamu_state import Course, Run
from models.unlearning.shuffled import Shuffled
from models.unlearning.targets import Standing
from models.unlearning.trust import Harm, Reach


def leave(resume: Resume, run: Run, course: Course) -> None:
    """Leave all that the next steps depend on, and what the trace will tell."""
    drawn, counters = random_state(course.generator)
    tensors = {
        "weights": run.blocks.weights,
        "good": run.good,
        "calm": run.calm,
        "mean_square": run.curvature.mean_square,
    }
    if run.learnt is not None:
        tensors["learnt"] = run.learnt.mean_square
    facts = {
        "step": course.step,
        "since": course.since,
        "weight": run.curvature.weight,
        "reach": asdict(run.reach),
        "harm": asdict(run.harm),
        "learnt": None if run.learnt is None else [run.learnt.weight, asdict(run.learnt.harm)],
        "last": None if run.last is None else asdict(run.last),
        "promised": run.promised,
        "mended": run.mended,
        "passes": run.passes,
        "notes": run.notes,
        "log": run.log,
        "taken": {name: rows.taken for name, rows in batches(course).items()},
    }
    resume.leave(tensors | orders(course) | drawn, facts | counters)


def take_up(resume: Resume, run: Run, course: Course) -> None:
    """Go on from what was left, if anything was."""
    if (left := resume.left()) is None:
        return
    put_back_tensors(run, left)
    facts = left.facts
    run.curvature.weight = facts["weight"]
    run.reach, run.harm = Reach(**facts["reach"]), Harm(**facts["harm"])
    if run.learnt is not None:
        run.learnt.mean_square.copy_(left.tensors["learnt"])
        run.learnt.weight, run.learnt.harm = facts["learnt"][0], Harm(**facts["learnt"][1])
    run.last = None if facts["last"] is None else Standing(**facts["last"])
    run.promised, run.mended, run.passes = facts["promised"], facts["mended"], facts["passes"]
    run.notes, run.log = facts["notes"], facts["log"]
    course.step, course.since = facts["step"], facts["since"]
    for name, rows in batches(course).items():
        rows.order, rows.taken = left.tensors[f"order.{name}"], facts["taken"][name]
    put_back_random(course.generator, left)


def put_back_tensors(run: Run, left: Left) -> None:
    """The weights as they were left, and those to fall back on."""
    flat.restore(run.blocks, left.tensors["weights"])
    run.good = left.tensors["good"].to(run.blocks.weights)
    run.calm = left.tensors["calm"].to(run.blocks.weights)
    run.curvature.mean_square.copy_(left.tensors["mean_square"])


def batches(course: Course) -> dict[str, Shuffled]:
    """What is drawn in shuffled batches, by name."""
    found = {"retain": course.retain_rows, "forget": course.forget_rows}
    return {name: rows for name, rows in found.items() if rows is not None}


def orders(course: Course) -> dict[str, Tensor]:
    """The order of each present pass."""
    return {f"order.{name}": rows.order for name, rows in batches(course).items()}
