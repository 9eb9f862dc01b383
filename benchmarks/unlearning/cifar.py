"""CIFAR-10 and a ResNet-18, the size that the literature reports; for a GPU.

Data: A. Krizhevsky, 2009, as JPEGs of quality 75 that share one header, in the folder
LACUNA_BENCH_DATA. Without augmentation, as in RUM's experiments (arXiv 2406.01257), so that there
is something to remember. Whose photographs they are is not known: each is dealt by itself.
"""

import io
from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from benchmarks.unlearning.omniglot import FOLDER
from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import in_hash_order
from models.training import Schedule

FILE = FOLDER / "cifar10-jpeg" / "cifar10_q75.npz"
END = b"\xff\xd9"  # of a JPEG
MEAN, SPREAD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
HELD_OUT = 5_000  # of the 50,000 training images, for validation
WIDTHS, BLOCKS = (64, 128, 256, 512), 2


@cache
def read(part: str) -> Samples:
    """All of `train` or `test`; images `[N, 3, 32, 32]`, each channel about 0 with variance 1."""
    packed = np.load(FILE)
    header, scans = packed["jpeg_header"].tobytes(), packed[f"{part}_scan"].tobytes()
    ends = [0, *np.cumsum(packed[f"{part}_len"].astype(np.int64)).tolist()]
    pixels = np.stack([opened(header + scans[begin:end] + END) for begin, end in pairwise(ends)])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(packed[f"{part}_y"].astype(np.int64))
    centred = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(SPREAD).view(3, 1, 1)
    ids = tuple(f"cifar10-{part}-{place:05d}" for place in range(len(labels)))
    return Samples(ids, (centred, labels), strata=labels)


def opened(jpeg: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def pool() -> Samples:
    images = read("train")
    return images.take(torch.tensor(sorted(in_hash_order(images.ids)[HELD_OUT:])))


def holdout() -> Holdout:
    images = read("train")
    validation = torch.tensor(sorted(in_hash_order(images.ids)[:HELD_OUT]))
    return Holdout(validation=images.take(validation), test=read("test"))


class Block(nn.Module):
    """Two convolutions past which the input is added (He et al., arXiv 1512.03385)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        self.past = (
            nn.Identity()
            if channels == width and stride == 1
            else nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        )

    def forward(self, inputs: Tensor) -> Tensor:
        inner = F.relu(self.norms[0](self.first(inputs)))
        outer: Tensor = self.norms[1](self.second(inner)) + self.past(inputs)
        return F.relu(outer)


def network() -> nn.Module:
    """ResNet-18 with a stem of 3x3 for small images: 11.2 M parameters."""
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)]
    layers += [nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()]
    channels = WIDTHS[0]
    for width in WIDTHS:
        for place in range(BLOCKS):
            stride = 2 if place == 0 and width > WIDTHS[0] else 1
            layers.append(Block(channels, width, stride))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lag


recipe = Classifier(
    name="cifar10",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=20, batch_size=256, peak_rate=0.2, weight_decay=5e-4),
)
