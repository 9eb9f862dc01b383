"""What an operator decides for a model: when to batch, which route, who must approve."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Policy:
    """Stored with the model; the defaults suit a model that many people depend on."""

    max_wait_seconds: float = 300.0  # the oldest pending erasure waits at most so long
    max_samples: int = 10_000  # so many samples are a batch at once
    min_subjects: int = 1  # a release that differs by one person tells too much; due dates win
    due_margin_seconds: float = 24 * 3600.0  # start so long before the earliest due date
    route: str = "auto"  # or hamu, nabla_tau, rum, retrain: whatever was measured
    restart: str = "parent"  # or exact: unlearn from the last exact version, all since then at once
    approval: bool = False  # a second person must approve each decision
    on_inconclusive: str = "retrain"  # or approve: a person decides
    reference_seconds: float = 600.0  # compare with a retrain that is predicted to take no longer
    max_rounds: int = 20  # approximate rounds since the last exact version
    max_forgotten_share: float = 0.2  # of the last exact version's training set
    canary_share: float = 0.005  # of the samples; their subjects' membership is a coin's; 0: none
    oracle_share: float = 0.0  # of approximate versions, by lot, held against a true retrain
    purge_after_seconds: float = 7 * 24 * 3600.0  # withdrawn weights are kept so long

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)

    def stored(self) -> dict[str, Any]:
        return asdict(self)
