"""Handwritten characters of 160 people: who is forgotten is a person who really drew.

Data: Omniglot (B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum, Science 350, 2015; MIT), the two
small background sets, from the folder LACUNA_BENCH_DATA (`../shared/data` unless set). Strata are
alphabets: of each of the 242 characters a person drew only one.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import in_hash_order
from models.training import Schedule

FOLDER = Path(os.environ.get("LACUNA_BENCH_DATA", "../shared/data"))
FILE = FOLDER / "omniglot-small" / "omniglot_small.npz"
HELD_OUT = 16  # people, for validation; as many again for the test


def read() -> tuple[Samples, Tensor]:
    """All drawings at 28 x 28, and which part each person belongs to: 0 pool, 1, 2 held out."""
    packed = np.load(FILE)
    drawings = np.unpackbits(packed["images_packed"], axis=1)[:, : 105 * 105].reshape(
        -1, 1, 105, 105
    )
    ink = F.adaptive_avg_pool2d(torch.from_numpy(drawings).float(), 28)
    labels = torch.from_numpy(packed["character"].astype(np.int64))
    people = [f"drawer-{number:03d}" for number in packed["subject"]]
    different = in_hash_order_of(people)
    rank = {person: place for place, person in enumerate(different)}
    parts = torch.tensor([min(rank[person] // HELD_OUT, 2) for person in people])
    samples = Samples(
        ids=tuple(f"omniglot-{place:04d}" for place in range(len(people))),
        batch=(ink, labels),
        strata=torch.from_numpy(packed["alphabet"].astype(np.int64)),
        subjects=tuple(people),
    )
    return samples, parts


def in_hash_order_of(people: list[str]) -> list[str]:
    different = sorted(set(people))
    return [different[place] for place in in_hash_order(different)]


def pool() -> Samples:
    samples, parts = read()
    return samples.take(parts == 2)


def holdout() -> Holdout:
    samples, parts = read()
    return Holdout(validation=samples.take(parts == 0), test=samples.take(parts == 1))


def network() -> nn.Module:
    """0.3 M parameters, and quick: a comparison trains it hundreds of times.

    Channels come last: on a processor pooling is many times as fast then.
    """
    layers = nn.Sequential(
        nn.Conv2d(1, 24, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 48, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48 * 7 * 7, 128),
        nn.ReLU(),
        nn.Linear(128, 242),
    )
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lag


def thorough_network() -> nn.Module:
    """0.25 M parameters at twice the work and more: it reads a little better."""
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 48, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 242),
    )


recipe = Classifier(
    name="omniglot",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=15, batch_size=64, peak_rate=0.05, weight_decay=0.0),
)
thorough = replace(recipe, network=thorough_network, schedule=replace(recipe.schedule, epochs=20))
