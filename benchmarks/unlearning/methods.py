"""What is compared: our default, its parts taken away, the published methods, and the baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from models.reference_predictions import Average
from models.unlearning import METHODS
from models.unlearning.contract import Method, Unlearned
from models.unlearning.distil import distil
from models.unlearning.hamu import hamu
from models.unlearning.nabla_tau import nabla_tau

Settings = Mapping[str, float]


@dataclass(frozen=True)
class Known:
    """What steering references say of a forget set: losses `[F]`, and distributions `[F, C]`.

    `as_said`: without the network's lead over references; the others are less it. `of_one`: by one
    reference for each person; `of_half`: by half of the references; `mean_losses`: plain means.
    """

    targets: Tensor
    as_said: Tensor
    of_one: Tensor
    of_half: Tensor
    mean_losses: Tensor
    expected: Callable[[Average], Tensor]


Build = Callable[[Known], Method]


@dataclass(frozen=True)
class Way:
    """A name for the table, and the method, given what references say of the forget set.

    `settings`: what may be tried on a data set before the comparison. Ours has one for all.
    `ablation`: one of ours with a part of it taken away or changed.
    """

    name: str
    build: Build
    settings: tuple[Settings, ...] = ({},)
    ablation: bool = False


def rates(*values: float) -> tuple[Settings, ...]:
    return tuple({"rate": value} for value in values)


# What the baselines are tuned over; their own first settings are among these.
BASELINES: Mapping[str, tuple[Settings, ...]] = {
    "rum": ({},),
    "finetune": rates(0.01, 0.05, 0.1, 0.2),
    "l1_sparse": rates(0.01, 0.05, 0.1, 0.2, 0.4),
    "msg": (*rates(0.01, 0.05), {"rate": 0.1, "reset": 0.9}, {"rate": 0.05, "reset": 0.9}),
    "neggrad_plus": rates(0.01, 0.03, 0.1, 0.2),
    "salun": rates(0.005, 0.013, 0.03, 0.1),
    "scrub": rates(0.0005, 0.005, 0.02, 0.05, 0.1),
    "ssd": ({}, {"selection": 5.0}, {"selection": 2.0}, {"selection": 2.0, "dampening": 0.3}),
}

# Its quota is relative, by its authors' other rule: the normalised one, Q/η = 0.5, cannot be had on
# networks that fit well, and stops at once.
published_hamu = partial(
    hamu,
    aim="ascent",
    metric="plain",
    share=0.5,
    rate=1e-4,
    trust=False,
    mending=0,
    patience=10**9,
)


def shipped(name: str) -> Way:
    """A method as the service knows it."""
    return Way(name, lambda _: METHODS[name], BASELINES[name])


def by_targets(
    method: Callable[..., Unlearned], which: str = "targets", **settings: float | str
) -> Build:
    """A method that is given a target per sample."""
    return lambda known: partial(method, targets=getattr(known, which), **settings)


def distilled(average: Average) -> Build:
    """Distillation towards what references predict on average."""
    return lambda known: partial(distil, targets=known.expected(average))


WAYS = (
    Way("hamu, reference targets", by_targets(hamu)),
    Way("hamu, targets by rank", lambda _: hamu),
    Way("… lead not taken off", by_targets(hamu, "as_said")),
    Way("… squared deficits", by_targets(hamu, shape="squared"), ablation=True),
    Way("… two-sided", by_targets(hamu, shape="two_sided"), ablation=True),
    Way("… hinge on the loss", by_targets(hamu, aim="samples"), ablation=True),
    Way("… mean loss only", by_targets(hamu, aim="mean"), ablation=True),
    Way("… one reference each", by_targets(hamu, "of_one"), ablation=True),
    Way("… half the references", by_targets(hamu, "of_half"), ablation=True),
    Way("… mean losses", by_targets(hamu, "mean_losses"), ablation=True),
    Way("hamu, as published", lambda _: published_hamu, rates(1e-4, 0.01, 0.03, 0.05, 0.3)),
    Way("∇τ, as published", lambda _: nabla_tau, rates(1e-3, 3e-3, 5e-3, 1e-2)),
    Way("∇τ, reference targets", by_targets(nabla_tau, alpha=0.5)),
    Way("distil to p̄", distilled(Average.PROBABILITY)),
    Way("… log-average", distilled(Average.LOG), ablation=True),
    *map(shipped, BASELINES),
)
# Ablations cost a quarter of the grid: on slow networks they are left out.
ABLATED = ("digits", "careers")


def ways_on(data: str) -> tuple[Way, ...]:
    """What is compared on a data set."""
    return tuple(way for way in WAYS if data in ABLATED or not way.ablation)
