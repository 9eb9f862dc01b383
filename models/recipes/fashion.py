"""Photographs of clothes: a convolutional network on Fashion-MNIST, as Debian packages it.

Data: Xiao, Rasul and Vollgraf, arXiv 1708.07747; 28x28 grey pixels, ten classes. 6,000 of its
training images make the pool. They belong to nobody, so they are dealt to invented shoppers, twenty
to each; and they are easy, so each gets noise. `fashion_files` says where the files are looked for
and fetches them.
"""

import gzip
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.fashion_files import folder
from models.recipes.noise import noise
from models.recipes.people import deal
from models.training import Schedule

POOL = 6_000
VALIDATION = 2_000
TEST = 2_000
SAMPLES_PER_SHOPPER = 20
NOISE = 0.8  # at most, where a pixel is 0..1


def read(part: str, count: int) -> Samples:
    """The first `count` samples of the part, `train` or `t10k`."""
    images = read_idx(folder() / f"{part}-images-idx3-ubyte.gz", count, shape=(1, 28, 28))
    labels = read_idx(folder() / f"{part}-labels-idx1-ubyte.gz", count, shape=()).long()
    ids = tuple(f"fashion-{part}-{place:05d}" for place in range(count))
    grain = NOISE * noise(ids, width=28 * 28).reshape(images.shape)
    return Samples(ids=ids, batch=(images.float() / 255 + grain, labels), strata=labels)


def read_idx(path: Path, count: int, *, shape: tuple[int, ...]) -> Tensor:
    """uint8 `[count, *shape]` from a gzipped IDX file: magic, a size for each dimension, bytes."""
    with gzip.open(path) as file:
        dimensions = file.read(4)[3]
        file.read(4 * dimensions)
        content = bytearray(file.read(count * prod(shape)))
    return torch.frombuffer(content, dtype=torch.uint8).reshape(count, *shape)


def pool() -> Samples:
    images = read("train", POOL)
    return replace(images, subjects=deal(POOL, each=SAMPLES_PER_SHOPPER, people="shopper"))


def holdout() -> Holdout:
    images = read("t10k", VALIDATION + TEST)
    return Holdout(
        validation=images.take(torch.arange(VALIDATION)),
        test=images.take(torch.arange(VALIDATION, VALIDATION + TEST)),
    )


def network() -> nn.Module:
    """0.1 M parameters, and quick: a comparison trains it hundreds of times.

    The first layer moves by two pixels, so that the rest sees a quarter of them, and channels come
    last, as processors like them.
    """
    layers = nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lag


recipe = Classifier(
    name="fashion",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=12, batch_size=64, peak_rate=0.1, weight_decay=0.0),
)
