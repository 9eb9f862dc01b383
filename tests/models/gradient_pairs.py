"""Pairs of gradients for tests of HAMU's step: random ones, and ones at a given angle."""

import numpy as np
from hypothesis import strategies as st

from models.unlearning.hamu_step import Floats, Plan

RATE = 0.1
angles = st.floats(0.02, np.pi - 0.02)
norms = st.floats(1e-3, 1e3)
shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32 - 1)


def random_pairs(seed: int, *, blocks: int = 1, size: int = 5) -> tuple[Floats, Floats]:
    """Retain and forget gradients, `[blocks, size]` each, at all angles and scales."""
    generator = np.random.default_rng(seed)
    retain = generator.normal(size=(blocks, size)) * np.exp(generator.normal(size=(blocks, 1)))
    forget = generator.normal(size=(blocks, size)) * np.exp(generator.normal(size=(blocks, 1)))
    return retain, forget + generator.uniform(-2, 2) * retain


def triples_of(retain: Floats, forget: Floats) -> Floats:
    return np.stack([(retain**2).sum(1), (forget**2).sum(1), (retain * forget).sum(1)], axis=1)


def at_angle(theta: float, *, own: float = 1.0, other: float = 1.0) -> Floats:
    """The triple of one block with these norms and this angle."""
    return np.array([[own**2, other**2, own * other * np.cos(theta)]])


def unit(vector: Floats) -> Floats:
    return vector / float(np.linalg.norm(vector))


def step_of(made: Plan, retain: Floats, forget: Floats) -> Floats:
    return made.retain[:, None] * retain + made.forget[:, None] * forget
