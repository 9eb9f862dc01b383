"""Handwritten digits under noise: the recipe that needs no download and trains in a second.

Data: 1,797 images of 8x8 pixels that come with scikit-learn (Alpaydin and Kaynak, UCI repository).
Two things about them are ours. The writers: the package does not tell who wrote what, so samples
are dealt to invented writers, twelve to each. The noise: clean digits are so easy that a network
remembers hardly any of them, so each pixel gets noise, drawn from the hash of the sample's id.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.noise import noise
from models.recipes.people import deal, in_hash_order
from models.training import Schedule

SAMPLES_PER_WRITER = 12
POOL = 84 * SAMPLES_PER_WRITER
VALIDATION = 33 * SAMPLES_PER_WRITER
NOISE = 0.7  # at most, where ink is 0..1


def read() -> Samples:
    """All samples in the order of hashed ids: pool, validation, test, whole writers in each."""
    images, labels = load_digits(return_X_y=True)
    ids = [f"digits-{place:04d}" for place in range(len(labels))]
    order = in_hash_order(ids)
    ids = [ids[place] for place in order]
    ink = torch.from_numpy(images[order]).float() / 16
    classes = torch.from_numpy(labels[order])
    return Samples(
        ids=tuple(ids),
        batch=(ink + NOISE * noise(ids, width=64), classes),
        strata=classes,
        subjects=deal(len(ids), each=SAMPLES_PER_WRITER, people="writer"),
    )


def pool() -> Samples:
    return read().take(torch.arange(POOL))


def holdout() -> Holdout:
    everything = read()
    return Holdout(
        validation=everything.take(torch.arange(POOL, POOL + VALIDATION)),
        test=everything.take(torch.arange(POOL + VALIDATION, len(everything))),
    )


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


# No weight decay: what a network remembers of its people is what this recipe is there to show.
recipe = Classifier(
    name="digits",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=40, batch_size=32, peak_rate=0.05, weight_decay=0.0),
)
