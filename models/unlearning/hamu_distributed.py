"""HAMU on several processes, each of which sees a part of every batch.

Start one process per device with torchrun (or any launcher that sets its variables), call
`torch.distributed.init_process_group` and then `hamu_distributed` in each of them.

What is exactly right here is not obvious. A triple is an inner product of *sums*: with
g_r = Σ_k g_r^k over ranks, g_r·g_f = Σ_k Σ_l g_r^k·g_f^l, and the terms k ≠ l are in no rank's own
triples. Adding up triples of partial gradients would be wrong; adding up gradients is unavoidable.
But nobody needs all of a sum:

1. Every rank draws the same rows and takes every size-th of them, from the retain batch and from
   the forget batch; divided by the whole batch's count, its gradients add up to the batch's. So no
   sample counts twice, whatever the number of ranks, and no rank idles as with even ranks for
   retain and odd ones for forget batches, where the two need not be equally large.
2. Both gradients are reduce-scattered: each rank has the sums for the rows of weights it owns.
3. The inner products over these rows are added up by one all-reduce of `[blocks, 3]` float64. Every
   rank then computes the same coefficients from the same bits.
4. Each rank moves its own weights, whose curvature only it keeps, and the weights are gathered.

Per step and weight this sends 2 numbers out and 1 back, where two all-reduces would send 4, and no
gradient is ever gathered. Besides the triples there are the forget losses (one number per sample),
the retain loss and, in a metric other than the plain one, the mean of M. The result is that of one
process up to the order of summation. The looks at the forget set are decided on equal numbers, so
that all ranks stop at the same step.
"""

from copy import deepcopy
from typing import Any

import torch.distributed as dist
from torch import nn

from models.data import Split
from models.progress import Progress, silent
from models.recipe import Recipe
from models.unlearning.contract import Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.team import agree, team_of


def hamu_distributed(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    seed: int,
    progress: Progress,
    group: dist.ProcessGroup | None = None,
    **settings: Any,
) -> Unlearned:
    """`hamu` with these settings on all ranks of the group; each of them gets the same network.

    The network is that of the group's first rank; the samples and settings must be the same
    everywhere. Only the first rank reports progress. A forget or retain set, or a batch size,
    smaller than the group is a `ValueError`, because a rank without samples has no gradient.
    """
    team = team_of(group)
    sizes = [len(split.forget), len(split.retain), *_batch_sizes(settings)]
    if min(sizes) < team.size:
        raise ValueError(f"{team.size} ranks cannot share a batch of {min(sizes)} samples")
    replica = deepcopy(network)
    for values in replica.state_dict().values():
        agree(team, values)
    watcher = progress if team.rank == 0 else silent
    return hamu(replica, split, recipe, seed=seed, progress=watcher, team=team, **settings)


def _batch_sizes(settings: dict[str, Any]) -> list[int]:
    return [settings[name] for name in ("batch_size", "forget_batch") if name in settings]
