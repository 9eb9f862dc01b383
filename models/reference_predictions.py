"""What references predict of a sample, class by class: the distribution to distil towards.

Kept apart from the table of losses: that one every recipe can fill, this one only classifiers can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data import Batch, Samples
from models.training import evaluate
from models.unlearning.logits import Logits, class_logits

MOST_CLASSES = 64  # kept of each prediction; those of networks with no more classes are whole


class Average(StrEnum):
    """How the predictions of several references become one."""

    PROBABILITY = "probability"  # p̄: as unsure as a network of which nobody knows the seed
    LOG = "log"  # exp(mean log p), renormalised: about as sure as any one of them


@dataclass(frozen=True)
class Predictions:
    """What one reference predicts of N samples: the K likeliest of C classes.

    `classes`: int64 `[N, K]`; `logs`: their log-probabilities, `[N, K]`; `of`: C.
    """

    classes: Tensor
    logs: Tensor
    of: int

    def take(self, rows: Tensor) -> "Predictions":
        """Those of the samples at these places (int64 `[F]`), in that order."""
        return Predictions(self.classes[rows], self.logs[rows], self.of)

    def whole(self) -> Tensor:
        """Log-probabilities of all classes, `[N, C]`; what was cut off is spread evenly."""
        count, kept = self.classes.shape
        if kept == self.of:
            return torch.empty(count, self.of).scatter(1, self.classes, self.logs)
        tiny = torch.finfo(self.logs.dtype).tiny
        rest = (1 - self.logs.exp().sum(dim=1, keepdim=True)).clamp(min=tiny) / (self.of - kept)
        return rest.log().repeat(1, self.of).scatter(1, self.classes, self.logs)


def predicted(
    network: nn.Module,
    samples: Samples,
    *,
    most: int = MOST_CLASSES,
    logits: Logits = class_logits,
) -> Predictions:
    """What a network predicts; `ValueError` where its output is not one row of logits per sample.

    Classes are cut batch by batch, so that a large vocabulary never lies in memory as a whole.
    """
    of = 0

    def likeliest(network: nn.Module, batch: Batch) -> Tensor:
        nonlocal of
        logs = torch.log_softmax(logits(network, batch).double(), dim=1)
        of = logs.shape[1]
        top = logs.topk(min(most, of), dim=1)
        return torch.stack((top.values, top.indices.to(logs)), dim=1)

    both = evaluate(network, samples, likeliest)
    return Predictions(both[:, 1].long(), both[:, 0].float(), of)


def expected(
    predictions: Sequence[Predictions], left_out: Tensor, *, average: Average = Average.PROBABILITY
) -> Tensor:
    """`[N, C]`: what a network that never saw the samples would predict of each.

    `left_out`: bool `[R, N]`, which reference never saw which sample; only those are averaged. NaN
    in the rows of samples that every reference saw.
    """
    logs = torch.stack([one.whole() for one in predictions]).double()
    unseen = left_out.unsqueeze(2)
    count = left_out.sum(dim=0).unsqueeze(1)
    if average is Average.PROBABILITY:
        return torch.where(unseen, logs.exp(), 0).sum(dim=0) / count
    return torch.softmax(torch.where(unseen, logs, 0).sum(dim=0) / count, dim=1)
