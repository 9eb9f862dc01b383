"""The data sets, and which of their samples are to be forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.unlearning import omniglot
from models import registry
from models.data import Samples
from models.recipe import Recipe
from models.recipes import fashion_files
from models.references import Table, memorization

DATA = ("digits", "careers", "fashion", "omniglot")
SHARES = {"random 1 %": 0.01, "random 5 %": 0.05, "random 20 %": 0.2}
MEMORIZED = 0.01  # share of the pool: the samples that are most memorized, by references
SETS = (*SHARES, "one person", "memorized", "one class")


@dataclass(frozen=True)
class Case:
    """One data set and one forget set of it."""

    data: str
    name: str
    forget: tuple[str, ...]


def recipe_of(data: str) -> Recipe:
    """A shipped recipe, or the benchmark's own."""
    return omniglot.recipe if data == omniglot.recipe.name else registry.find(data)


def missing(data: str) -> str:
    """Why a data set cannot be had here; empty if it can."""
    if data == omniglot.recipe.name and not omniglot.FILE.exists():
        return f"{omniglot.FILE} is not there; set LACUNA_BENCH_DATA"
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
    order = memorization(choosing).nan_to_num(-1).argsort(descending=True).tolist()
    made["memorized"] = [pool.ids[place] for place in order[: round(MEMORIZED * len(pool))]]
    largest = int(pool.strata.bincount().argmax())
    made["one class"] = [
        sample_id
        for sample_id, stratum in zip(pool.ids, pool.strata.tolist(), strict=True)
        if stratum == largest
    ]
    return [Case(data, name, tuple(made[name])) for name in SETS]


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
