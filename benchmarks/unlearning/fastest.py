"""The fastest training that serves as well as the recipe's own: a share of its cost is honest."""

from dataclasses import replace
from statistics import mean

from benchmarks.unlearning.networks import Shelf
from benchmarks.unlearning.rows import Row, Rows, Told, of
from models.recipe import Classifier
from models.training import evaluate

FASTEST = "fastest"
# Of the recipe's epochs; halved further, down to one, while the shortest still serves as well.
SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 10)
SEEDS = range(50_000, 50_003)
AS_GOOD = 0.005  # of the test score below the recipe's own is no difference


def search(shelf: Shelf, rows: Rows, told: Told) -> None:
    """Train with fewer epochs, the learning rate falling to nothing in these.

    All of them: where the test set is small, one that is too short for it may be so by chance.
    """
    for share in SHARES:
        try_all(shelf, rows, told, share)
    share = SHARES[-1]
    while epochs(shelf, share) > 1 and share in good(rows.all()):
        share /= 2
        try_all(shelf, rows, told, share)


def try_all(shelf: Shelf, rows: Rows, told: Told, share: float) -> None:
    """A training of so many epochs, by each seed."""
    for seed in SEEDS:
        tried(shelf, rows, told, share, seed)


def tried(shelf: Shelf, rows: Rows, told: Told, share: float, seed: int) -> Row:
    """One network of so many epochs; from the rows, where it is there."""
    key = {"set": FASTEST, "seed": seed, "share": share}
    if found := of(rows.all(), **key):
        return found[0]
    told(f"a training of {share:.3f} of the epochs, seed {seed}")
    short = shortened(shelf, share)
    network, seconds = short.trained(f"{share:.4f}-{seed}", shelf.pool, seed)
    test = float(evaluate(network, shelf.holdout.test, shelf.recipe.scores).mean())
    row = {**key, "seconds": seconds, "test": test}
    rows.add(row)
    return row


def shortened(shelf: Shelf, share: float) -> Shelf:
    """The same data and network, trained for a share of the epochs."""
    recipe = shelf.recipe
    assert isinstance(recipe, Classifier)
    schedule = replace(recipe.schedule, epochs=epochs(shelf, share))
    return replace(shelf, folder=shelf.folder / FASTEST, recipe=replace(recipe, schedule=schedule))


def epochs(shelf: Shelf, share: float) -> int:
    assert isinstance(shelf.recipe, Classifier)
    return max(1, round(share * shelf.recipe.schedule.epochs))


def share_of(rows: list[Row]) -> float:
    """What the fastest as good costs, of the recipe's own training; 1 where none was tried."""
    seconds = [mean(row["seconds"] for row in them) for them in good(rows).values()]
    return min(seconds) / seconds[0] if seconds else 1.0


def good(rows: list[Row]) -> dict[float, list[Row]]:
    """By share, longest first: the trainings that serve as well as the recipe's own."""
    tried_with = sorted({row["share"] for row in of(rows, set=FASTEST)}, reverse=True)
    every = {share: of(rows, set=FASTEST, share=share) for share in tried_with}
    done = {share: them for share, them in every.items() if len(them) == len(SEEDS)}
    if not done:
        return {}
    least = mean(row["test"] for row in done[max(done)]) - AS_GOOD
    return {share: them for share, them in done.items() if mean(r["test"] for r in them) >= least}
