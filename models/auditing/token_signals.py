"""Signals of language models: what the losses of single tokens say of a sample.

A text that was trained on has few tokens that surprise the network; an unseen one has some, however
common the rest of it is. Pure; higher for members.
"""

import numpy as np
from numpy.typing import NDArray

from models.auditing.intervals import Floats

RAREST = 0.2  # share of a sample's tokens; 20 % was best over networks and lengths in the paper


def min_k(token_losses: Floats, *, share: float = RAREST) -> Floats:
    """`[N]`: less the mean of the largest share of each sample's token losses `[N, T]`.

    Min-K% Prob (Shi et al., ICLR 2024, arXiv 2310.16789, equation 1): the mean log-likelihood of
    the least likely tokens. NaN is padding; one token at least is looked at. A sample of padding
    alone, or a share that is not in (0, 1], is a `ValueError`.
    """
    if not 0 < share <= 1:
        raise ValueError(f"{share} is no share of the tokens")
    counts = lengths(token_losses)
    looked_at = np.maximum(1, np.floor(share * counts)).astype(np.int64)
    falling = -np.sort(-token_losses, axis=1)  # NaN comes last
    taken = np.arange(token_losses.shape[1]) < looked_at[:, None]
    return -np.where(taken, falling, 0.0).sum(axis=1) / looked_at


def lengths(token_losses: Floats) -> NDArray[np.int64]:
    """`[N]`: how many tokens each sample has."""
    counts = (~np.isnan(token_losses)).sum(axis=1)
    if (counts == 0).any():
        raise ValueError("a sample without tokens has no token losses")
    return counts
