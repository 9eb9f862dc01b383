"""A network of a recipe from fresh weights: the one place where training from nothing begins."""

import torch
from torch import Tensor, nn

from models.batch_losses import movable, require_losses_per_sample
from models.data import Samples
from models.progress import Progress
from models.recipe import Recipe, fit
from models.resuming import Resume
from models.seeding import seeded


def built(recipe: Recipe, *, seed: int, device: torch.device | str = "cpu") -> nn.Module:
    """The recipe's network with the weights of this seed, on this device."""
    with seeded(seed):
        return recipe.build().to(device)


def trained(
    recipe: Recipe,
    samples: Samples,
    *,
    seed: int,
    progress: Progress,
    device: torch.device | str = "cpu",
    resume: Resume | None = None,
) -> tuple[nn.Module, Tensor | None]:
    """The recipe's own training, and what it told of each sample, `[N]` or None.

    With `resume` it goes on where it was killed, if the recipe can. Raises `ValueError` where
    nothing of it could ever be unlearned: frozen parameters, losses that are not one per sample.
    """
    network = built(recipe, seed=seed, device=device)
    movable(network)
    require_losses_per_sample(network, recipe, samples)
    told = fit(recipe, network, samples, seed=seed, progress=progress, resume=resume)
    return network.eval(), told
