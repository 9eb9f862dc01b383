"""The data sets, and which of their samples are to be forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from torch import Tensor

from benchmarks.unlearning import cifar, omniglot
from models import registry
from models.data import Samples
from models.recipe import Recipe
from models.recipes import fashion_files
from models.references import Table, memorization

DATA = ("digits", "careers", "fashion", "omniglot")
FOR_A_GPU = ("cifar10",)
SHARES = {"random 1 %": 0.01, "random 5 %": 0.05, "random 20 %": 0.2}
MEMORIZED = 0.01  # share of the pool: the samples that are most memorized, by references
MIXED = 1_000  # of the least, the middling and the most memorized each: RUM's forget set
SETS = (*SHARES, "one person", "memorized", "mixed", "one class")
OWN = {"omniglot": omniglot, "cifar10": cifar}


@dataclass(frozen=True)
class Case:
    """One data set and one forget set of it."""

    data: str
    name: str
    forget: tuple[str, ...]


def recipe_of(data: str) -> Recipe:
    """A shipped recipe, or the benchmark's own."""
    if data in OWN:
        return OWN[data].recipe
    return registry.find(data)


def sets_on(data: str) -> tuple[str, ...]:
    """The kinds of forget sets that a data set is tried on."""
    return SETS if data in FOR_A_GPU else tuple(name for name in SETS if name != "mixed")


def missing(data: str) -> str:
    """Why a data set cannot be had here; empty if it can."""
    if data in OWN and not OWN[data].FILE.exists():
        return f"{OWN[data].FILE} is not there; set LACUNA_BENCH_DATA"
    if data == "fashion" and not fashion_files.available():
        return f"Fashion-MNIST is not there; {fashion_files.WAY_OUT}"
    return ""


def cases(data: str, pool: Samples, choosing: Table, *, seed: int) -> list[Case]:
    """The forget sets of a data set; the same for every seed of the networks."""
    drawn = Random(seed)
    people = sorted(set(pool.owners))
    drawn.shuffle(people)
    made = {name: first(pool, people, share * len(pool)) for name, share in SHARES.items()}
    made["one person"] = of_people(pool, people[-1:])
    known = memorization(choosing).nan_to_num(-1)
    order = known.argsort(descending=True).tolist()
    made["memorized"] = [pool.ids[place] for place in order[: round(MEMORIZED * len(pool))]]
    if "mixed" in sets_on(data):
        made["mixed"] = [pool.ids[place] for place in mixed(known, MIXED)]
    largest = int(pool.strata.bincount().argmax())
    made["one class"] = [
        sample_id
        for sample_id, stratum in zip(pool.ids, pool.strata.tolist(), strict=True)
        if stratum == largest
    ]
    return [Case(data, name, tuple(made[name])) for name in sets_on(data)]


def mixed(memorized: Tensor, each: int) -> list[int]:
    """Places of so many that are memorized least, nearest to a half, and most (`[N]`, 0..1).

    Zhao et al., arXiv 2406.01257, as their code builds it.
    """
    order, middling = memorized.argsort(), (memorized - 0.5).abs().argsort()
    ends = [*order[:each].tolist(), *order[-each:].tolist()]
    between = [place for place in middling.tolist() if place not in set(ends)]
    return ends + between[:each]


def first(pool: Samples, people: Sequence[str], samples: float) -> list[str]:
    """All samples of so many people that there are as many as wanted: people ask, not samples."""
    for count in range(1, len(people)):
        if len(taken := of_people(pool, people[:count])) >= samples:
            return taken
    raise ValueError("so many samples would be everything")


def of_people(pool: Samples, people: Sequence[str]) -> list[str]:
    wanted = set(people)
    return [
        sample_id for sample_id, owner in zip(pool.ids, pool.owners, strict=True) if owner in wanted
    ]
