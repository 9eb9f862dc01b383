"""Can this forget set be forgotten without harm? HAMU's κ and the thresholds it is held against.

Source: Chen et al., "How Hard Can It Be?", arXiv 2606.02119; blocks are parameter tensors. Squared
norms of mini-batch gradients are biased upwards by their noise, so the samples are cut into pieces
and norms are taken from products of different pieces.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses, named_movable
from models.data import Samples
from models.hardness.record import Reconciliation
from models.recipe import Recipe
from models.unlearning.gradients import gradient

# The statistics whose standard errors are wanted, in this order.
KAPPA, COSINE, BEYOND = 0, 1, 2
BATCH = 256  # samples whose gradients are computed together, however large a piece is
PIECES = 8  # of each side, at most, and fewer where as many gradients take more than MEMORY
MEMORY = 2**30  # bytes
COLUMNS = 2**16  # of a gradient, that are multiplied at once in float64


@dataclass(frozen=True)
class Grams:
    """Inner products of the pieces' gradients: `[blocks, pieces, pieces]`, retain pieces first.

    `unseen`: of each side the share of its samples that was left out, which is what makes a mean
    over pieces uncertain; a forget set used whole has no sampling error.
    """

    products: Tensor
    retain_pieces: int
    unseen: tuple[float, float]


def reconciliation(
    network: nn.Module,
    retain: Samples,
    forget: Samples,
    recipe: Recipe,
    *,
    quota: float = 0.5,
    pieces: int | None = None,
    unseen: tuple[float, float] = (0.0, 0.0),
) -> Reconciliation:
    """Measure κ on the samples given, in evaluation mode; the network's own gradients stay as is.

    `quota`: HAMU's q = sin φ, the forget gain asked of a step over the greatest one possible.
    `pieces`: of each side, two to eight by default, for memory is that of 2 · pieces gradients.
    `unseen`: see `Grams`.
    Raises `ValueError` for an empty side, a quota outside 0..1 or a gradient that is not finite.
    """
    if not 0 < quota < 1:
        raise ValueError(f"the quota is a share between 0 and 1, not {quota}")
    movable = named_movable(network)
    names, parameters = list(movable), list(movable.values())
    count = affordable_pieces(parameters) if pieces is None else pieces
    sides = [
        piece_gradients(network, samples, recipe, parameters, pieces=count)
        for samples in (retain, forget)
    ]
    rows = [row for side in sides for row in side]
    products = torch.stack([gram([row[block] for row in rows]) for block in range(len(names))])
    if not bool(torch.isfinite(products).all()):
        raise ValueError("a gradient is not finite; the parent version is broken")
    grams = Grams(products, len(sides[0]), unseen)
    return judged(grams, names, quota=quota)


def judged(grams: Grams, names: list[str], *, quota: float) -> Reconciliation:
    """Everything that follows from the inner products."""
    triples = inner_products(grams)
    total = triples.sum(dim=0)
    kappa, cosine, _ = statistics(total, quota).tolist()
    errors = jackknife(grams, lambda triples: statistics(triples.sum(dim=0), quota)).tolist()
    of_blocks = jackknife(grams, lambda triples: triples[:, 2])
    lost = math.isnan(cosine)
    both = triples[:, :2].clamp(min=0).prod(dim=1).sqrt()  # ‖g_r‖‖g_f‖ of each block
    scale = total[:2].clamp(min=0).prod().sqrt().item()
    clear = both > 0
    cosines = (triples[clear, 2] / both[clear]).clamp(-1, 1)
    return Reconciliation(
        kappa=kappa,
        kappa_error=errors[KAPPA],
        cosine=None if lost else cosine,
        cosine_error=None if lost or math.isnan(errors[COSINE]) else errors[COSINE],
        kappa1=-scale * quota,
        kappa2=scale * math.sqrt(1 - quota**2),
        beyond_kappa2_error=errors[BEYOND],
        quota=quota,
        block_cosines=dict(zip(compress(names, clear), cosines.tolist(), strict=True)),
        blocks_direct=share(cosines <= -quota),
        blocks_degrading=share(cosines > math.sqrt(1 - quota**2)),
        predicted_harm=predicted_harm(triples[clear, 0], cosines, quota),
        block_kappas=dict(zip(names, triples[:, 2].tolist(), strict=True)),
        block_kappa_errors=dict(zip(names, of_blocks.tolist(), strict=True)),
    )


def predicted_harm(retain_norms: Tensor, cosines: Tensor, quota: float) -> float:
    """Σ‖g_r‖² h / Σ‖g_r‖² over blocks, h = sin(φ − θ), or −1 where descent forgets enough."""
    if len(cosines) == 0:
        return 0.0
    sines = (1 - cosines.square()).sqrt()
    rectified = quota * cosines - math.sqrt(1 - quota**2) * sines
    change = torch.where(cosines <= -quota, -1.0, rectified)
    return ((retain_norms * change).sum() / retain_norms.sum()).item()


def inner_products(grams: Grams) -> Tensor:
    """Unbiased ‖g_r‖², ‖g_f‖² and κ of each block, `[blocks, 3]`."""
    cut = grams.retain_pieces
    return torch.stack(
        (
            squared_norm(grams.products[:, :cut, :cut], grams.unseen[0]),
            squared_norm(grams.products[:, cut:, cut:], grams.unseen[1]),
            grams.products[:, :cut, cut:].mean(dim=(1, 2)),
        ),
        dim=1,
    )


def squared_norm(products: Tensor, unseen: float) -> Tensor:
    """‖g‖² of the mean gradient over all samples, from H pieces of those seen, `[blocks]`.

    ‖ḡ‖² − unseen · Σ‖g_h − ḡ‖²/(H(H−1)). With unseen 1 it is the mean product of different pieces.
    """
    pieces = products.shape[-1]
    naive = products.mean(dim=(1, 2))
    if pieces == 1:
        return naive
    own = products.diagonal(dim1=1, dim2=2).mean(dim=1)
    return naive - unseen * (own - naive) / (pieces - 1)


def statistics(triple: Tensor, quota: float) -> Tensor:
    """κ, the cosine (NaN where a norm is lost in noise) and κ − κ2 of one triple."""
    scale = triple[:2].clamp(min=0).prod().sqrt()
    cosine = (triple[2] / scale).clamp(-1, 1) if scale > 0 else scale.new_tensor(math.nan)
    beyond = triple[2] - scale * math.sqrt(1 - quota**2)
    return torch.stack((triple[2], cosine, beyond))


def jackknife(grams: Grams, statistic: Callable[[Tensor], Tensor]) -> Tensor:
    """Standard errors of what is made of the triples: leave one piece out, on each side."""
    count = grams.products.shape[-1]
    sides = (range(grams.retain_pieces), range(grams.retain_pieces, count))
    variance = torch.zeros_like(statistic(inner_products(grams)))
    for side, unseen in zip(sides, grams.unseen, strict=True):
        if len(side) > 1 and unseen > 0:
            values = torch.stack([statistic(inner_products(without(grams, h))) for h in side])
            variance += unseen * (len(side) - 1) * values.var(dim=0, correction=0)
    return variance.sqrt()


def without(grams: Grams, piece: int) -> Grams:
    """The same with one piece left out."""
    keep = [h for h in range(grams.products.shape[-1]) if h != piece]
    cut = grams.retain_pieces - (piece < grams.retain_pieces)
    return Grams(grams.products[:, keep][:, :, keep], cut, grams.unseen)


def piece_gradients(
    network: nn.Module,
    samples: Samples,
    recipe: Recipe,
    parameters: list[Tensor],
    *,
    pieces: int,
) -> list[list[Tensor]]:
    """The gradient of the mean loss over each piece, per parameter.

    Pieces differ by one sample at most, and are weighted so that their plain mean is the mean over
    all samples.
    """
    if len(samples) == 0:
        raise ValueError("a hardness needs samples on both sides")
    count = min(pieces, len(samples))
    was_training = network.training
    network.eval()
    gradients = []
    for rows in torch.arange(len(samples)).tensor_split(count):
        piece = [torch.zeros_like(parameter) for parameter in parameters]
        for batch in rows.split(BATCH):
            per_sample = batch_losses(network, recipe, samples, batch)
            torch._foreach_add_(
                piece, gradient(per_sample.sum() * count / len(samples), parameters)
            )
        gradients.append(piece)
    network.train(was_training)
    return gradients


def affordable_pieces(parameters: list[Tensor]) -> int:
    """As many of each side as fit into the memory that is allowed, two at least."""
    gradient_bytes = sum(parameter.nbytes for parameter in parameters)
    return min(PIECES, max(2, MEMORY // (2 * gradient_bytes)))


def gram(rows: list[Tensor]) -> Tensor:
    """Inner products of gradients, float64 `[pieces, pieces]`."""
    products = torch.zeros((len(rows), len(rows)), dtype=torch.float64)
    for columns in zip(*(row.flatten().split(COLUMNS) for row in rows), strict=True):
        part = torch.stack(columns).double()
        products += (part @ part.T).cpu()
    return products


def compress(names: list[str], keep: Tensor) -> list[str]:
    """The names that are kept."""
    return [name for name, kept in zip(names, keep.tolist(), strict=True) if kept]


def share(flags: Tensor) -> float:
    """The share of flags that are set; 0 of none."""
    return flags.double().mean().item() if len(flags) else 0.0
