"""What networks that never saw a sample say of it: train on parts of the people, score, destroy.

Source: our own idea. Its parts are known: in- and out-models per sample (Carlini et al., LiRA,
arXiv 2112.03570) and memorization as their difference (Feldman and Zhang, arXiv 2008.03703).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models import fresh
from models.data import Samples
from models.progress import Progress
from models.recipe import Recipe
from models.training import evaluate
from models.unlearning.targets import Aim, can_be_confidence, scaled, unscaled


@dataclass(frozen=True)
class Plan:
    """One reference to be trained: on all samples but those left out (bool `[N]`)."""

    number: int
    seed: int
    left_out: Tensor


@dataclass(frozen=True)
class Reference:
    """What remains of a reference once it is destroyed.

    `losses`: of all samples, `[N]`; `left_out`: bool `[N]`, which of them it never saw. `unseen`:
    of the validation samples, `[V]`.
    """

    losses: Tensor
    left_out: Tensor
    unseen: Tensor


@dataclass(frozen=True)
class Table:
    """The scores of several references, in the order of the same N samples and V held-out ones."""

    ids: tuple[str, ...]
    references: tuple[Reference, ...]

    def __post_init__(self) -> None:
        for reference in self.references:
            if not len(reference.losses) == len(reference.left_out) == len(self.ids):
                raise ValueError("a reference's scores are not one per sample")

    @property
    def losses(self) -> Tensor:
        """`[R, N]`."""
        return torch.stack([reference.losses for reference in self.references])

    @property
    def left_out(self) -> Tensor:
        """Bool `[R, N]`."""
        return torch.stack([reference.left_out for reference in self.references])

    @property
    def unseen(self) -> Tensor:
        """`[R, V]`."""
        return torch.stack([reference.unseen for reference in self.references])

    def without(self, ids: set[str]) -> "Table":
        """The table without some samples' columns: those of a person who is to be forgotten."""
        kept = torch.tensor([sample_id not in ids for sample_id in self.ids])
        return Table(
            tuple(sample_id for sample_id in self.ids if sample_id not in ids),
            tuple(
                replace(one, losses=one.losses[kept], left_out=one.left_out[kept])
                for one in self.references
            ),
        )

    def of(self, ids: Sequence[str]) -> "Table":
        """The table of these samples, in this order; `ValueError` where one is not in it."""
        place = {sample_id: index for index, sample_id in enumerate(self.ids)}
        if missing := [sample_id for sample_id in ids if sample_id not in place]:
            raise ValueError(f"{len(missing)} samples have no row, {missing[0]!r} first")
        rows = torch.tensor([place[sample_id] for sample_id in ids], dtype=torch.int64)
        return Table(
            tuple(ids),
            tuple(
                replace(one, losses=one.losses[rows], left_out=one.left_out[rows])
                for one in self.references
            ),
        )


def plans(
    subjects: Sequence[str | None], *, parts: int, rounds: int, seed: int
) -> tuple[Plan, ...]:
    """`parts · rounds` references that leave out one part of the subjects each.

    In every round the subjects are dealt anew into `parts` equal parts, so each is left out exactly
    `rounds` times: balance that independent coins do not give. A sample without a subject is dealt
    by itself. Raises `ValueError` where there are fewer subjects than parts.
    """
    groups = [f"/{place}" if owner is None else owner for place, owner in enumerate(subjects)]
    names, membership = torch.unique(numbered(groups), return_inverse=True)
    if not 2 <= parts <= len(names):
        raise ValueError(f"{len(names)} subjects cannot be dealt into {parts} parts")
    generator = torch.Generator().manual_seed(seed)
    made: list[Plan] = []
    for _ in range(rounds):
        part_of = torch.randperm(len(names), generator=generator) % parts
        for part in range(parts):
            number = len(made)
            made.append(Plan(number, seed + 1 + number, (part_of == part)[membership]))
    return tuple(made)


def trained(
    recipe: Recipe,
    samples: Samples,
    plan: Plan,
    progress: Progress,
    *,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """The reference of a plan. It saw people's data: score it and let it go."""
    network, _ = fresh.trained(
        recipe, samples.take(~plan.left_out), seed=plan.seed, progress=progress, device=device
    )
    return network


def scored(
    network: nn.Module, recipe: Recipe, samples: Samples, plan: Plan, validation: Samples
) -> Reference:
    """A reference's losses on every sample, seen and unseen."""
    return Reference(
        losses=evaluate(network, samples, recipe.losses).float(),
        left_out=plan.left_out,
        unseen=evaluate(network, validation, recipe.losses).float(),
    )


def table(
    recipe: Recipe,
    samples: Samples,
    validation: Samples,
    plans: Sequence[Plan],
    progress: Progress,
) -> Table:
    """Train and score one reference after another; only one is alive at a time."""
    return Table(samples.ids, tuple(_each(recipe, samples, validation, plans, progress)))


def targets(of_forget: Table) -> Tensor:
    """`[F]`: the loss each sample would have, had it never been seen; NaN where all saw it.

    Values are averaged as logits of the confidence: there unseen values are nearly normal (Carlini
    et al., section 6), while mean losses are ruled by their tail. References were trained on less
    than the network that is to forget: `reference_targets` makes up for it.
    """
    out, losses = of_forget.left_out, of_forget.losses
    aim = Aim.CONFIDENCE if can_be_confidence(losses) else Aim.SAMPLES
    return unscaled(aim, torch.where(out, scaled(aim, losses), 0).sum(dim=0) / out.sum(dim=0))


def targets_of_one(of_forget: Table, owners: Sequence[str]) -> Tensor:
    """`[F]`: the same by one reference for each person, in turns, and by no mean.

    Losses then vary as one network's do, which an average evens out.
    """
    out = of_forget.left_out
    turns = numbered(owners) % int(out.sum(dim=0).min())
    nth = torch.stack([nth_left_out(out, turn) for turn in range(int(turns.max()) + 1)])
    return chosen(of_forget.losses, chosen(nth, turns))


def nth_left_out(out: Tensor, nth: int) -> Tensor:
    """`[F]`: which reference was the nth, from 0, to leave a sample out; `out` is bool `[R, F]`."""
    return ((out.cumsum(dim=0) == nth + 1) & out).int().argmax(dim=0)


def chosen(values: Tensor, reference: Tensor) -> Tensor:
    """`[N]`: of the values `[R, N]` those of one reference for each sample."""
    return values[reference, torch.arange(len(reference))]


def spread(of_forget: Table) -> Tensor:
    """`[F]`: the standard deviation of one unseen value around its target, all the same.

    In the scale of confidence, pooled over samples, for a few values each say little. NaN where no
    sample was left out twice.
    """
    out = of_forget.left_out
    values = torch.where(out, scaled(Aim.CONFIDENCE, of_forget.losses), 0)
    count = out.sum(dim=0)
    squares = torch.where(out, (values - values.sum(dim=0) / count).square(), 0).sum()
    freedom = (count - 1).clamp(min=0).sum()
    return (squares / freedom).sqrt().expand(len(count))


def memorization(of_samples: Table) -> Tensor:
    """`[N]`: how much lower the value is for who saw the sample, in the scale that targets have.

    NaN where all references saw the sample, or none did.
    """
    out, losses = of_samples.left_out, of_samples.losses
    values = scaled(Aim.CONFIDENCE if can_be_confidence(losses) else Aim.SAMPLES, losses)
    means = [
        torch.where(chosen, values, 0).sum(dim=0) / chosen.sum(dim=0) for chosen in (out, ~out)
    ]
    return means[0] - means[1]


def numbered(names: Sequence[str]) -> Tensor:
    """`[N]`: the same names as 0, 1, 2, … in order of appearance."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.int64)


def _each(
    recipe: Recipe,
    samples: Samples,
    validation: Samples,
    plans: Sequence[Plan],
    progress: Progress,
) -> Iterator[Reference]:
    for done, plan in enumerate(plans):

        def told(share: float, words: str, done: int = done) -> None:
            progress((done + share) / len(plans), f"reference {done + 1} of {len(plans)}: {words}")

        yield scored(trained(recipe, samples, plan, told), recipe, samples, plan, validation)
