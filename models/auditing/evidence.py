"""What a verdict is reached by: plain values, so that judging needs no network."""

from dataclasses import dataclass
from enum import StrEnum

from models.auditing.attacks import Separation
from models.auditing.canary_report import CanaryReport
from models.auditing.intervals import Interval


class Attack(StrEnum):
    """What forgotten samples are told from unseen ones by."""

    LOSS = "loss"  # members have lower losses
    SPREAD = "spread"  # the losses of a method's targets lie together, or at the ends
    CALIBRATED = "calibrated"  # members are surer than references that never saw them
    # Those that inform and do not decide.
    ENTROPY = "entropy"  # members get more certain outputs
    MARGIN = "margin"  # members lie further inside their class
    TREE = "tree"  # a small tree that learns from loss, entropy and margin
    RMIA = "rmia"  # members' confidence has risen more than that of unseen samples
    LIRA = "lira"  # as calibrated, in standard deviations of each sample
    TOKENS = "tokens"  # members surprise a language model less, token by token
    MIN_K = "min_k"  # and so do the tokens that surprise it most


class Yardstick(StrEnum):
    """What a network that never saw the forgotten samples is taken to look like."""

    REFERENCE = "reference"
    HELD_OUT = "held-out"


@dataclass(frozen=True)
class Leak:
    """One attack's AUC less the yardstick's, on the new network and on its parent.

    `paired`: less the AUC on reference networks; otherwise less 0.5. `noise`: the standard
    deviation of what the attack finds where nothing leaks, see `nulls.py`; the intervals allow for
    it. `bound`: what that seldom exceeds.
    """

    attack: Attack
    yardstick: Yardstick
    paired: bool
    after: Separation
    before: Separation
    noise: float = 0.0
    bound: float = 0.0


@dataclass(frozen=True)
class Drop:
    """By how much the mean score of a set, or of one stratum, lies below the yardstick's."""

    samples: str  # which, in words: "test", "test, stratum 3"
    against: str  # "parent" or "reference"
    drop: Interval
    whole: bool  # a whole set, not one stratum


@dataclass(frozen=True)
class Doubts:
    """What speaks against believing the attacks; see `holdout.py`."""

    constant: bool = False
    copied: float = 0.0
    suspicion: Interval | None = None


@dataclass(frozen=True)
class Evidence:
    """What `judge` looks at. `leaks` is empty where no attack could be run."""

    route: str
    finite: bool
    movement: float
    forgotten: int
    matched_share: float  # of the forgotten samples, those with unseen ones of their stratum
    leaks: tuple[Leak, ...]
    drops: tuple[Drop, ...]
    doubts: Doubts = Doubts()
    canaries: CanaryReport | None = None  # where anybody told of canaries, or why there are none
    kept_share: float = 1.0  # of the forgotten, those whose stratum keeps as many as it loses
    unasked: str = ""  # why no network that never saw them could be asked, in words
