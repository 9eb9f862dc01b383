"""What a run of HAMU needs and changes, and where its loop stands."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.data import Split
from models.recipe import Recipe
from models.unlearning.blocks import Blocks
from models.unlearning.hamu_pace import Pace
from models.unlearning.metric import Curvature
from models.unlearning.shuffled import Shuffled
from models.unlearning.targets import Goal, Standing
from models.unlearning.team import Team
from models.unlearning.trust import Harm, Reach

COLUMNS = (
    "kappa",
    "cosine",
    "easy_threshold",
    "hard_threshold",
    "share",
    "capacity",
    "rate",
    "direct_share",
    "promised_gain",
    "realised_gain",
    "promised_retain_change",
    "forget_loss",
    "retain_loss",
    "owed",
    "harm",
    "harm_average",
    "shortfall",
    "undone",
)


@dataclass
class Learnt:
    """What steps learnt beside the weights, as it was at the last look that was accepted.

    `mean_square`, `weight`: v̂ and its weight. `harm`: what was predicted until then.
    """

    mean_square: Tensor
    weight: float = 0.0
    harm: Harm = field(default_factory=Harm)


@dataclass
class Run:
    """What steps need, and what they change.

    `good`: the weights of the last look that was accepted. `calm`: the same, before harm was
    predicted; one tensor with `good` while none is. `last`: where the forget set stood then.
    `promised`: forget gain promised since. `learnt`: None where there is a look before every step,
    for then steps learn at good weights only.
    """

    network: nn.Module
    split: Split
    recipe: Recipe
    blocks: Blocks
    goal: Goal
    pace: Pace
    curvature: Curvature
    trust: bool
    max_norm: float | None
    price: float
    patience: int
    mending: int
    autocast: torch.dtype | None
    reach: Reach
    good: Tensor
    calm: Tensor
    team: Team
    learnt: Learnt | None = None
    last: Standing | None = None
    harm: Harm = field(default_factory=Harm)
    promised: float = 0.0
    mended: int = 0
    passes: int = 0
    notes: list[str] = field(default_factory=list)
    log: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    @property
    def taken_back(self) -> bool:
        """Whether the last step was undone: then the next look sees what was good before."""
        return bool(self.log["undone"] and self.log["undone"][-1])


@dataclass
class Course:
    """Where the loop stands: how far it is, and which rows come next.

    `forget_rows` is None where the whole forget set is one batch. `since`: steps since the last
    look; a first one is due at once.
    """

    generator: torch.Generator
    forget_rows: Shuffled | None
    retain_rows: Shuffled
    since: int
    step: int = 0
