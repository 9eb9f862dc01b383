"""Exact forgetting: the recipe's own training, from fresh weights, on what is kept."""

from torch import nn

from models.data import Split
from models.fresh import trained
from models.progress import Progress
from models.recipe import Recipe
from models.resuming import Resume
from models.training import Schedule, device_of
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import require_both_sets


def retrain(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    seed: int,
    progress: Progress,
    resume: Resume | None = None,
) -> Unlearned:
    """A network that never saw `split.forget`; the one handed in only says on which device."""
    require_both_sets(split)
    fresh, told = trained(
        recipe,
        split.retain,
        seed=seed,
        progress=progress,
        device=device_of(network),
        resume=resume,
    )
    return Unlearned(fresh, trace_of(recipe, len(split.retain)), told)


def trace_of(recipe: Recipe, samples: int) -> Trace:
    """What training on so many takes where the recipe has a `Schedule`; else zeros and a note."""
    schedule = getattr(recipe, "schedule", None)
    if not isinstance(schedule, Schedule):
        note = "the recipe trains by its own loop, so steps and sample passes are not known"
        return Trace(stop=Stop.BUDGET, steps=0, sample_passes=0, notes=(note,))
    return Trace(
        stop=Stop.BUDGET,
        steps=schedule.epochs * -(-samples // schedule.batch_size),
        sample_passes=schedule.epochs * samples,
    )
