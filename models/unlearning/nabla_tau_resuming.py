"""Leaves a run of ∇τ behind between two forget-epochs, and goes on from there to the same bits."""

from models.resuming import (
    Resume,
    network_state,
    optimizer_state,
    put_back_network,
    put_back_optimizer,
    put_back_random,
    random_state,
)
from models.unlearning.nabla_tau_run import Course, Run


def leave(resume: Resume, run: Run, course: Course) -> None:
    """Leave all that the next forget-epochs depend on, and what the trace will tell."""
    moments, groups = optimizer_state(course.optimizer)
    drawn, counters = random_state(course.generator)
    own = {"levels": course.levels, "order": course.retain_rows.order}
    facts = {
        "epoch": course.epoch,
        "passes": course.passes,
        "log": course.log,
        "decay": course.decay.state_dict(),
        "taken": course.retain_rows.taken,
        "drawn": course.retain_rows.drawn,
    }
    resume.leave(network_state(run.network) | moments | drawn | own, facts | groups | counters)


def take_up(resume: Resume, run: Run, course: Course) -> None:
    """Go on from what was left, if anything was."""
    if (left := resume.left()) is None:
        return
    facts, rows = left.facts, course.retain_rows
    put_back_network(run.network, left)
    put_back_optimizer(course.optimizer, left)
    course.decay.load_state_dict(facts["decay"])
    course.levels = left.tensors["levels"]
    course.epoch, course.passes, course.log = facts["epoch"], facts["passes"], facts["log"]
    rows.order, rows.taken, rows.drawn = left.tensors["order"], facts["taken"], facts["drawn"]
    put_back_random(course.generator, left)
