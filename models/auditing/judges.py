"""References that are gone, as a yardstick: what they said of samples that none of them saw."""

import numpy as np
from torch import Tensor

from models.auditing.reference_attacks import Witnesses
from models.auditing.signals import Said, Signals
from models.data import Samples
from models.references import Table, chosen, nth_left_out, numbered


def judges(of_forget: Table, forget: Samples, validation: Samples) -> tuple[Said, ...]:
    """As many voices as references left each sample out: one network's word on every person.

    The k-th voice says what the k-th reference to leave a sample out said of it. All references are
    strangers to validation samples; a voice takes turns among its share of them, person by person,
    so that it errs as one network would. Nobody asked them for scores, which are NaN. Empty where
    every reference saw some sample, or where they were asked about other validation samples.
    """
    out = of_forget.left_out
    voices = int(out.sum(dim=0).min())
    if voices == 0 or of_forget.unseen.shape[1] != len(validation):
        return ()
    turns = numbered(validation.owners)
    share = len(of_forget.references) // voices
    return tuple(
        {
            "forget": signals(chosen(of_forget.losses, nth_left_out(out, voice)), forget),
            "validation": signals(
                chosen(of_forget.unseen, voice * share + turns % share), validation
            ),
        }
        for voice in range(voices)
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
