"""A language model of letters, small enough for tests: names that it learns by heart."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Holdout, Samples
from models.progress import Progress
from models.training import Schedule, train

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
LETTERS = " " + CONSONANTS + VOWELS  # the blank is padding, and ends a name
LONGEST = 11


def names(count: int, *, seed: int, name: str) -> Samples:
    """Invented names of three to five syllables, each of a consonant and a vowel."""
    generator = torch.Generator().manual_seed(seed)

    def some(letters: str, size: int) -> list[str]:
        drawn = torch.randint(len(letters), (size,), generator=generator)
        return [letters[place] for place in drawn]

    sizes = torch.randint(3, 6, (count,), generator=generator).tolist()
    written = [
        "".join(a + b for a, b in zip(some(CONSONANTS, n), some(VOWELS, n), strict=True))
        for n in sizes
    ]
    text = torch.tensor([[LETTERS.index(letter) for letter in w.ljust(LONGEST)] for w in written])
    ids = tuple(f"{name}-{place}" for place in range(count))
    return Samples(ids, text, torch.zeros(count, dtype=torch.int64))


class Network(nn.Module):
    """Predicts each letter from those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), 16)
        self.memory = nn.GRU(16, 64, batch_first=True)
        self.output = nn.Linear(64, len(LETTERS))

    def forward(self, text: Tensor) -> Tensor:
        return self.output(self.states(text))

    def states(self, text: Tensor) -> Tensor:
        start = F.pad(text[:, :-1], (1, 0))
        return self.memory(self.embedding(start))[0]


SCHEDULE = Schedule(epochs=40, batch_size=32, peak_rate=0.5, weight_decay=0.0)


@dataclass(frozen=True)
class Letters:
    """The recipe; a sample's loss is the mean of its letters', the blank after it included."""

    name: str = "letters"
    schedule: Schedule = SCHEDULE

    def build(self) -> nn.Module:
        return Network()

    def pool(self) -> Samples:
        return names(160, seed=0, name="pool")

    def holdout(self) -> Holdout:
        return Holdout(names(120, seed=1, name="val"), names(120, seed=2, name="test"))

    def fit(
        self, network: nn.Module, samples: Samples, *, seed: int, progress: Progress
    ) -> Tensor | None:
        return train(
            network, samples, self.losses, schedule=self.schedule, seed=seed, progress=progress
        )

    def token_losses(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(batch, Tensor)
        losses = F.cross_entropy(network(batch).transpose(1, 2), batch, reduction="none")
        ended = F.pad(batch == 0, (1, 0))[:, :-1]  # the blank that ends a name is still a letter
        return losses.masked_fill(ended, torch.nan)

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return self.token_losses(network, batch).nanmean(dim=1)

    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        return torch.exp(-self.losses(network, batch))

    def embeddings(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, Network)
        assert isinstance(batch, Tensor)
        return network.states(batch).mean(dim=1)


recipe = Letters()
