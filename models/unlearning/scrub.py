"""A student that disobeys its teacher on the forget set and follows it elsewhere, then rewinds.

Source: Kurmanji et al., "Towards Unbounded Machine Unlearning", arXiv 2302.09880 (SCRUB+R).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from models.batch_losses import (
    batch_losses,
    differentiable,
    movable,
    require_losses_per_sample,
)
from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.training import device_of, evaluate
from models.unlearning.contract import Unlearned
from models.unlearning.descent import descent, one_pass
from models.unlearning.gradients import (
    at_least_one,
    put_back,
    require_both_sets,
    saved,
    working_copy,
)
from models.unlearning.logits import Logits, class_logits
from models.unlearning.targets import class_means


def scrub(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 5,
    max_epochs: int = 3,
    rate: float = 0.005,
    retain_weight: float = 0.99,
    distil_weight: float = 0.001,
    temperature: float = 4.0,
    forget_batch_size: int = 32,
    batch_size: int = 128,
    logits: Logits = class_logits,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Epochs 1..max_epochs begin with a pass over the forget set that raises KL(teacher‖student).

    Each epoch ends with a pass over the retain set that lowers γ·L_R + α·KL, so that the last ones
    only repair. The weights of every epoch are kept, and the answer is the epoch whose forget score
    is nearest to the teacher's on held-out samples of the same strata; among equals the last. The
    paper takes that score from the student after its last epoch; but one that has collapsed serves
    all samples alike, so that its collapse would count as perfect.

    Without held-out samples there is nothing to rewind by, which is a `ValueError`.
    """
    require_both_sets(split)
    at_least_one(
        epochs=epochs,
        max_epochs=max_epochs,
        forget_batch_size=forget_batch_size,
        batch_size=batch_size,
    )
    if len(split.validation) == 0:
        raise ValueError("SCRUB rewinds by held-out samples, and there are none")
    require_losses_per_sample(network, recipe, split.forget)
    teacher = working_copy(network).requires_grad_(False)
    wanted = unseen_score(teacher, split, recipe)
    way = descent(network, rate=rate)
    stored: list[list[Tensor]] = []
    gaps: list[float] = []

    def apart(samples: Samples, rows: Tensor) -> Tensor:
        batch = samples.rows(rows, device=device_of(network))
        with differentiable(way.network):
            learnt = logits(way.network, batch)
        return divergence(logits(teacher, batch), learnt, temperature=temperature)

    with seeded(seed) as generator:
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            if epoch < max_epochs:
                for rows in one_pass(split.forget, forget_batch_size, generator=generator):
                    away = apart(split.forget, rows)
                    way.step(-away, samples=2 * len(rows), forget_divergence=away)
            for rows in one_pass(split.retain, batch_size, generator=generator):
                keep = batch_losses(way.network, recipe, split.retain, rows).mean()
                loss = retain_weight * keep + distil_weight * apart(split.retain, rows)
                way.step(loss, samples=3 * len(rows), retain_loss=keep)
            stored.append(saved(movable(way.network)))
            score = evaluate(way.network, split.forget, recipe.scores).mean().item()
            gaps.append(abs(score - wanted))
    best = max(range(epochs), key=lambda epoch: (-gaps[epoch], epoch))
    put_back(movable(way.network), stored[best])
    way.columns["forget_score_gap"] = gaps
    return way.ended(f"rewound to the weights after epoch {best + 1} of {epochs}")


def divergence(teacher: Tensor, student: Tensor, *, temperature: float) -> Tensor:
    """T² · KL(teacher‖student) of logits `[B, C]`, mean over the batch (not over its elements)."""
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        log_target=True,
        reduction="batchmean",
    )


def unseen_score(network: nn.Module, split: Split, recipe: Recipe) -> float:
    """The mean score on held-out samples, whose strata weigh as they do in the forget set."""
    scores = evaluate(network, split.validation, recipe.scores)
    return class_means(scores, split.validation.strata, split.forget.strata).mean().item()
