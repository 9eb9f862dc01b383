"""Down on what is kept, up on what must go: the cheap baseline that papers like to leave out.

Source: Kurmanji et al., "Towards Unbounded Machine Unlearning", arXiv 2302.09880.
"""

from torch import nn

from models.batch_losses import batch_losses, require_losses_per_sample
from models.data import Split, endless_row_batches
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.unlearning.contract import Unlearned
from models.unlearning.descent import descent, one_pass
from models.unlearning.gradients import at_least_one, require_both_sets


def neggrad_plus(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 5,
    rate: float = 0.01,
    retain_weight: float = 0.95,
    batch_size: int = 128,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Lower α·L_R − (1−α)·L_F: one pass over the retain set per epoch, forget batches cycled.

    Two separate forward passes, with normalisation frozen: forget batches have statistics of their
    own. Ascent has no end, so a small α or many epochs raise `Diverged`.
    """
    require_both_sets(split)
    at_least_one(epochs=epochs, batch_size=batch_size)
    if not 0 <= retain_weight <= 1:
        raise ValueError(f"retain_weight is a share, 0 to 1, not {retain_weight}")
    require_losses_per_sample(network, recipe, split.forget)
    way = descent(network, rate=rate)
    with seeded(seed) as generator:
        forget = endless_row_batches(len(split.forget), batch_size, generator=generator)
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            for rows in one_pass(split.retain, batch_size, generator=generator):
                drop_rows = next(forget)
                keep = batch_losses(way.network, recipe, split.retain, rows).mean()
                drop = batch_losses(way.network, recipe, split.forget, drop_rows).mean()
                way.step(
                    retain_weight * keep - (1 - retain_weight) * drop,
                    samples=len(rows) + len(drop_rows),
                    retain_loss=keep,
                    forget_loss=drop,
                )
    return way.ended()
