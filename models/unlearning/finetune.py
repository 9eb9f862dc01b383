"""The simplest baseline: go on training on what is kept, and hope the rest is forgotten."""

from torch import nn

from models.batch_losses import batch_losses, require_losses_per_sample
from models.data import Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.unlearning.contract import Unlearned
from models.unlearning.descent import descent, one_pass
from models.unlearning.gradients import at_least_one, require_both_sets


def finetune(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 10,
    rate: float = 0.01,
    batch_size: int = 128,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Lower the loss on the retain set, in training mode as in the recipe's own training."""
    require_both_sets(split)
    at_least_one(epochs=epochs, batch_size=batch_size)
    require_losses_per_sample(network, recipe, split.forget)
    way = descent(network, rate=rate)
    way.network.train()
    with seeded(seed) as generator:
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            for rows in one_pass(split.retain, batch_size, generator=generator):
                loss = batch_losses(way.network, recipe, split.retain, rows).mean()
                way.step(loss, samples=len(rows), retain_loss=loss)
    return way.ended()
