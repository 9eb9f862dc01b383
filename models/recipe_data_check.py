"""The promises of a recipe's data: ids that stay, and a holdout that the pool knows nothing of."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import torch

from models.data import Holdout, Samples, leaves
from models.recipe import Recipe

LONGEST_ID = 199


@dataclass(frozen=True)
class Read:
    """What a recipe read: its pool twice, and its holdout."""

    pool: Samples
    again: Samples
    holdout: Holdout


def read_by(recipe: Recipe) -> Read:
    return Read(pool=recipe.pool(), again=recipe.pool(), holdout=recipe.holdout())


def too_few(read: Read) -> str:
    sizes = {
        "pool": len(read.pool),
        "validation": len(read.holdout.validation),
        "test": len(read.holdout.test),
    }
    empty = [name for name, size in sizes.items() if size == 0]
    return f"there are no samples in: {', '.join(empty)}" if empty else ""


def unstable_ids(read: Read) -> str:
    if read.pool.ids == read.again.ids:
        return ""
    return (
        "two calls of pool() gave different ids, or another order; "
        "derive ids from the source's own keys and never from a random draw"
    )


def unstable_contents(read: Read) -> str:
    before = contents_by_id(read.pool)
    after = contents_by_id(read.again)
    changed = [name for name in before if after.get(name, before[name]) != before[name]]
    if not changed:
        return ""
    return (
        f"{len(changed)} samples differed between two calls of pool(), {changed[0]!r} first; "
        "augment in fit() and not in pool()"
    )


def repeated_ids(read: Read) -> str:
    for name, samples in parts(read):
        repeated = [sample_id for sample_id, times in Counter(samples.ids).items() if times > 1]
        if repeated:
            return f"the {name} names several samples {repeated[0]!r}; an id must mean one sample"
    return ""


def unusable_ids(read: Read) -> str:
    for name, samples in parts(read):
        for sample_id in samples.ids:
            if not 0 < len(sample_id) <= LONGEST_ID:
                return (
                    f"the {name} holds an id of {len(sample_id)} characters, "
                    f"{sample_id[:20]!r}…; use 1 to {LONGEST_ID}"
                )
    return ""


def leaked_holdout(read: Read) -> str:
    for name, samples in parts(read)[1:]:
        shared = overlap(read.pool, samples)
        if shared:
            return f"the pool and the {name} {shared}; what was trained on cannot be held out"
    return ""


def mixed_holdout(read: Read) -> str:
    shared = overlap(read.holdout.validation, read.holdout.test)
    if shared:
        return f"the validation and the test {shared}; validation steers, so it cannot also judge"
    return ""


def unseen_strata(read: Read) -> str:
    absent = set(read.pool.strata.tolist()) - set(read.holdout.validation.strata.tolist())
    if not absent:
        return ""
    return (
        f"strata {sorted(absent)} of the pool are not in the validation set, so samples in them "
        "have no unseen samples to be compared with; hold some out"
    )


def parts(read: Read) -> list[tuple[str, Samples]]:
    return [
        ("pool", read.pool),
        ("validation", read.holdout.validation),
        ("test", read.holdout.test),
    ]


def overlap(a: Samples, b: Samples) -> str:
    """What two sets have in common, ids before contents; empty where that is nothing."""
    ids = set(a.ids) & set(b.ids)
    if ids:
        return f"share {len(ids)} ids, {min(ids)!r} first"
    owner = {content: sample_id for sample_id, content in contents_by_id(a).items()}
    twins = [(owner[c], sample_id) for sample_id, c in contents_by_id(b).items() if c in owner]
    if twins:
        return f"share {len(twins)} samples under different ids, {twins[0][0]!r} = {twins[0][1]!r}"
    return ""


def contents_by_id(samples: Samples) -> dict[str, bytes]:
    """SHA-256 of each sample's bytes in all tensors of the batch."""
    digests = [hashlib.sha256() for _ in samples.ids]
    for leaf in leaves(samples.batch):
        rows = (
            leaf.reshape(len(samples), prod(leaf.shape[1:])).contiguous().view(torch.uint8).numpy()
        )
        for digest, row in zip(digests, rows, strict=True):
            digest.update(row.tobytes())
    return {i: digest.digest() for i, digest in zip(samples.ids, digests, strict=True)}


# What is promised, and what finds the complaint: a sentence, or nothing where the promise is kept.
DATA: Mapping[str, Callable[[Read], str]] = {
    "there are samples in the pool and in both parts of the holdout": too_few,
    "ids stay the same from call to call": unstable_ids,
    "a sample's content stays the same from call to call": unstable_contents,
    "ids are unique": repeated_ids,
    f"ids have 1 to {LONGEST_ID} characters": unusable_ids,
    "the holdout has no sample of the pool": leaked_holdout,
    "validation and test have no sample in common": mixed_holdout,
}
DATA_ADVICE: Mapping[str, Callable[[Read], str]] = {
    "every stratum of the pool appears in the validation set": unseen_strata,
}
