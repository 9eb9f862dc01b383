"""Whether samples that are called unseen really are: by what is in them, and by how they score."""

import hashlib
from collections.abc import Iterable

import numpy as np

from models.auditing.attacks import matched, placements, separation
from models.auditing.intervals import Interval
from models.auditing.signals import Said
from models.data import Samples, leaves


def copied(trained: Iterable[Samples], unseen: Samples) -> float:
    """The share of unseen samples that are, value for value, also among those trained on.

    Ids may differ; a copy under another name was seen all the same.
    """
    known = {one for samples in trained for one in contents(samples)}
    return sum(one in known for one in contents(unseen)) / len(unseen)


def contents(samples: Samples) -> list[bytes]:
    """`[N]`: a digest of each sample's values, its label included."""
    parts = [leaf.contiguous().numpy().reshape(len(samples), -1) for leaf in leaves(samples.batch)]
    return [
        hashlib.sha256(b"".join(part[place].tobytes() for part in parts)).digest()
        for place in range(len(samples))
    ]


def suspicion(parent: Said, *, confidence: float) -> Interval | None:
    """By how much validation samples look more like members than test samples do, on the parent.

    Neither was trained on, so it is 0 but for chance; None where no stratum is in both sets.
    """
    ours, others = parent["validation"], parent["test"]
    if not matched(ours.strata, others.strata).any():
        return None
    placed = placements(-ours.losses, ours.strata, -others.losses, others.strata)
    return separation(placed, confidence=confidence).over_chance().interval


def constant(said: Said) -> bool:
    """Whether a network gives all forgotten and unseen samples the same loss."""
    return bool(np.ptp(np.concatenate([said["forget"].losses, said["validation"].losses])) == 0)
