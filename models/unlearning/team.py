"""Processes that take one step together; a process by itself is a team of one.

Every rank has a replica of the network, sees its own part of each batch and owns a part of the
flat weights. What each of these functions does is nothing at all in a team of one.
"""

from dataclasses import dataclass

import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """`rank` of `size` processes; `group` is None for all that torch.distributed knows."""

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None


ALONE = Team()


def team_of(group: dist.ProcessGroup | None = None) -> Team:
    """This process's place among those that torchrun or its like has started."""
    return Team(dist.get_rank(group), dist.get_world_size(group), group)


def part(team: Team, rows: Tensor) -> Tensor:
    """This rank's rows of a batch that all ranks have drawn alike: no row twice, none left out."""
    return rows[team.rank :: team.size]


def add_up(team: Team, values: Tensor) -> Tensor:
    """The sum over all ranks, in place; the same bits on each of them."""
    if team.size > 1:
        dist.all_reduce(values, group=team.group)
    return values


def assemble(team: Team, values: Tensor, rows: Tensor, count: int) -> Tensor:
    """`[count]`: each rank's values (`[len(rows)]`) at their rows; a row belongs to one rank."""
    if team.size == 1:
        return values
    everywhere = values.new_zeros(count)
    everywhere[rows.to(values.device)] = values
    return add_up(team, everywhere)


def sum_of_parts(team: Team, whole: Tensor, own: Tensor) -> None:
    """`own` (`[C/size, …]`) becomes the owned rows of the sum of all ranks' `whole` (`[C, …]`)."""
    if team.size > 1:
        dist.reduce_scatter_single(own, whole, group=team.group)


def collect(team: Team, own: Tensor, whole: Tensor) -> None:
    """`whole` (`[C, …]`) becomes all ranks' `own` (`[C/size, …]`), one after another."""
    if team.size > 1:
        dist.all_gather_single(whole, own, group=team.group)


def agree(team: Team, whole: Tensor) -> None:
    """Everyone takes over the first rank's values."""
    if team.size > 1:
        dist.broadcast(whole, group_src=0, group=team.group)
