"""The fastest training that serves as well as the recipe's own: a share of its cost is honest."""

from dataclasses import replace
from statistics import mean

from benchmarks.unlearning.networks import Shelf
from benchmarks.unlearning.rows import Row, Rows, Told, of
from models.recipe import Classifier
from models.training import evaluate

FASTEST = "fastest"
SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 10)  # of the recipe's epochs
SEEDS = range(50_000, 50_003)
AS_GOOD = 0.005  # of the test score below the recipe's own is no difference


def search(shelf: Shelf, rows: Rows, told: Told) -> None:
    """Train with fewer epochs, the learning rate falling to nothing in these.

    All of them: where the test set is small, one that is too short for it may be so by chance.
    """
    for share in SHARES:
        for seed in SEEDS:
            tried(shelf, rows, told, share, seed)


def tried(shelf: Shelf, rows: Rows, told: Told, share: float, seed: int) -> Row:
    """One network of so many epochs; from the rows, where it is there."""
    key = {"set": FASTEST, "seed": seed, "share": share}
    if found := of(rows.all(), **key):
        return found[0]
    told(f"a training of {share:.2f} of the epochs, seed {seed}")
    short = shortened(shelf, share)
    network, seconds = short.trained(f"{share:.2f}-{seed}", shelf.pool, seed)
    test = float(evaluate(network, shelf.holdout.test, shelf.recipe.scores).mean())
    row = {**key, "seconds": seconds, "test": test}
    rows.add(row)
    return row


def shortened(shelf: Shelf, share: float) -> Shelf:
    """The same data and network, trained for a share of the epochs."""
    recipe = shelf.recipe
    assert isinstance(recipe, Classifier)
    epochs = max(1, round(share * recipe.schedule.epochs))
    return replace(
        shelf,
        folder=shelf.folder / FASTEST,
        recipe=replace(recipe, schedule=replace(recipe.schedule, epochs=epochs)),
    )


def share_of(rows: list[Row]) -> float:
    """What the fastest as good costs, of the recipe's own training; 1 where none was tried."""
    tried_with = {share: of(rows, set=FASTEST, share=share) for share in SHARES}
    done = [them for them in tried_with.values() if len(them) == len(SEEDS)]
    if not done:
        return 1.0
    least = mean(row["test"] for row in done[0]) - AS_GOOD
    good = [them for them in done if mean(row["test"] for row in them) >= least]
    seconds = [mean(row["seconds"] for row in them) for them in good]
    return min(seconds) / seconds[0]
