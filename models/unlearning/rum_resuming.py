"""Leaves a run of RUM behind before each turn, and goes on from there to the same bits.

No random generator is left: a method is seeded anew for its turn.
"""

from dataclasses import asdict, dataclass, field
from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn

from models.data import Samples
from models.resuming import Resume, network_state, put_back_network
from models.unlearning.contract import Stop, Trace
from models.unlearning.gradients import working_copy
from models.unlearning.rum_groups import Group


@dataclass
class Course:
    """Where the turns stand: the groups, the last turn's network, and a trace for each turn."""

    network: nn.Module
    groups: list[Group]
    traces: list[Trace] = field(default_factory=list)


def leave(resume: Resume, course: Course, forget: Samples) -> None:
    """Leave all that the next turns depend on, and what the trace will tell."""
    tensors = network_state(course.network) | {"groups": dealt(course.groups, forget)}
    resume.leave(tensors, {"traces": [asdict(trace) for trace in course.traces]})


def take_up(resume: Resume, network: nn.Module, forget: Samples) -> Course | None:
    """Where an earlier run was killed, in a copy of the network; None if nothing was left."""
    if (left := resume.left()) is None:
        return None
    student = working_copy(network)
    put_back_network(student, left)
    traces = [trace_of(told) for told in left.facts["traces"]]
    return Course(student, groups_of(left.tensors["groups"], forget), traces)


def dealt(groups: list[Group], forget: Samples) -> Tensor:
    """The place of each forget sample's group, int64 `[F]`."""
    place_of = {each: place for place, group in enumerate(groups) for each in group.ids}
    return torch.tensor([place_of[each] for each in forget.ids])


def groups_of(places: Tensor, forget: Samples) -> list[Group]:
    """The groups that were dealt so; none of them is empty."""
    count = int(places.max()) + 1
    return [
        Group(tuple(compress(forget.ids, (places == place).tolist()))) for place in range(count)
    ]


def trace_of(told: dict[str, Any]) -> Trace:
    """A trace as JSON tells it."""
    return Trace(**told | {"stop": Stop(told["stop"]), "notes": tuple(told["notes"])})
