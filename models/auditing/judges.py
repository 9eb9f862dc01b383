"""References that are gone, as a yardstick: what they said of samples that none of them saw."""

import numpy as np
import torch
from torch import Tensor

from models.auditing.reference_attacks import Witnesses
from models.auditing.signals import Said, Signals
from models.data import Samples
from models.references import Table


def judges(of_forget: Table, forget: Samples, validation: Samples) -> tuple[Said, ...]:
    """One voice for each reference: its losses on validation samples, and on the forgotten ones.

    Where a reference saw a forgotten sample, the mean of those that did not speaks in its place.
    Nobody asked them for scores, which are NaN. Empty where every reference saw some sample, or
    where they were asked about other validation samples.
    """
    out = of_forget.left_out
    count = out.sum(dim=0)
    if not bool(count.all()) or of_forget.unseen.shape[1] != len(validation):
        return ()
    mean = torch.where(out, of_forget.losses, 0).sum(dim=0) / count
    return tuple(
        {
            "forget": signals(torch.where(one.left_out, one.losses, mean), forget),
            "validation": signals(one.unseen, validation),
        }
        for one in of_forget.references
    )


def witnesses(of_forget: Table) -> Witnesses | None:
    """The same references, each silent on what it saw; None where one sample was seen by all."""
    out = of_forget.left_out.numpy()
    if not out.any(axis=0).all():
        return None
    return Witnesses(of_forget.losses.double().numpy(), out)


def signals(losses: Tensor, samples: Samples) -> Signals:
    values = losses.double().numpy()
    return Signals(values, np.full(len(values), np.nan), samples.strata.numpy())
