"""What must hold of every ledger (design.md, section 4), looked for as whoever does not trust us.

Nothing is repaired and nothing is locked: read in one snapshot, a ledger in use is as good as any.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy.orm import Session

from app.ledger import broken_forgetting, broken_states, mentions
from app.ledger.surroundings import Surroundings

Search = Callable[[Session, Surroundings], Iterator[str]]


@dataclass(frozen=True)
class Invariant:
    """One sentence that must be true, and the searches for what contradicts it."""

    name: str
    says: str
    searches: tuple[Search, ...]


@dataclass(frozen=True)
class Checked:
    """An invariant, and in words each row that breaks it."""

    name: str
    says: str
    violations: list[str]


INVARIANTS = (
    Invariant(
        "I1",
        "every accepted request has ended, or has a timer or an owner",
        (broken_states.unsettled, broken_states.dropped, broken_states.unowned, broken_states.late),
    ),
    Invariant(
        "I2",
        "a job has one version at most, a model one active job at most",
        (broken_states.doubled, broken_states.crowded, broken_states.without_version),
    ),
    Invariant(
        "I3",
        "what is completed is forgotten: by an audited version, and nothing in use saw it",
        (broken_forgetting.unproven, broken_forgetting.unaudited, broken_forgetting.remaining),
    ),
    Invariant(
        "I4",
        "each step has one entry, and all checkpoints are of one history",
        (broken_states.unstated, broken_states.misstated, broken_states.unsigned),
    ),
    Invariant(
        "I5",
        "no alias leads to a withdrawn version, or ever did",
        (broken_forgetting.misled, broken_forgetting.misled_before),
    ),
    Invariant(
        "I6",
        "no later training set holds a sample that was forgotten",
        (broken_forgetting.came_back, broken_forgetting.relapsed),
    ),
    Invariant("I7", "a due date moves later with an extension only", (broken_states.moved_later,)),
    Invariant("I8", "nothing that is told or logged names a person or a sample", (mentions.named,)),
    Invariant(
        "I9",
        "published weights have moved and lie in the store; purged ones do not",
        (broken_forgetting.unmoved, broken_forgetting.misplaced),
    ),
)


def check(session: Session, around: Surroundings) -> list[Checked]:
    """Every invariant, in order, with what breaks it."""
    return [
        Checked(each.name, each.says, found(session, around, each.searches)) for each in INVARIANTS
    ]


def found(session: Session, around: Surroundings, searches: Sequence[Search]) -> list[str]:
    return list(chain.from_iterable(search(session, around) for search in searches))
