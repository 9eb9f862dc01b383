"""Fine-tuning that presses weights towards zero at first: fewer weights, less room to remember.

Source: Jia et al., "Model Sparsity Can Simplify Machine Unlearning", arXiv 2304.04934.
"""

import torch
from torch import nn

from models.batch_losses import batch_losses, require_losses_per_sample
from models.data import Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.unlearning.contract import Unlearned
from models.unlearning.descent import descent, one_pass
from models.unlearning.gradients import at_least_one, require_both_sets


def l1_sparse(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 10,
    rate: float = 0.01,
    penalty: float = 5e-4,
    batch_size: int = 128,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Lower L_R + λ_e‖θ‖₁ with λ_e = penalty · (1 − e/E), e = 0..E−1."""
    require_both_sets(split)
    at_least_one(epochs=epochs, batch_size=batch_size)
    require_losses_per_sample(network, recipe, split.forget)
    way = descent(network, rate=rate)
    way.network.train()
    with seeded(seed) as generator:
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            weight = penalty * (1 - epoch / epochs)
            for rows in one_pass(split.retain, batch_size, generator=generator):
                loss = batch_losses(way.network, recipe, split.retain, rows).mean()
                size = torch.stack([p.abs().sum() for p in way.network.parameters()]).sum()
                way.step(loss + weight * size, samples=len(rows), retain_loss=loss)
    return way.ended()
