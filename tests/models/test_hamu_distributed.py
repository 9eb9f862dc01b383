"""Two processes on the CPU, joined by gloo, against one. Double precision throughout, so that the
order of summation is all that is left to differ."""

import copy
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn

from models.data import Samples, Split
from models.progress import silent
from models.recipe import labelled
from models.unlearning.contract import Trace
from models.unlearning.hamu import hamu
from models.unlearning.hamu_distributed import hamu_distributed
from tests.models.blobs import make_split, recipe, trained

RANKS = 2
COMMON: dict[str, Any] = {"steps": 6, "batch_size": 31, "mending": 2}
CASES: dict[str, dict[str, Any]] = {
    "plain": {"metric": "plain", "share": 0.5, "rate": 0.05},
    "adam": {"metric": "adam", "aim": "samples"},
    "other targets on another rank": {"targets": torch.full((17,), 2.0, dtype=torch.float64)},
    "fisher, forget set in parts": {"metric": "fisher", "forget_batch": 7},
}


def wide(samples: Samples) -> Samples:
    inputs, labels = labelled(samples.batch)
    return replace(samples, batch=(inputs.double(), labels))


def split() -> Split:
    made = make_split(forget=17)
    return Split(wide(made.forget), wide(made.retain), wide(made.validation))


def of_rank(number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with targets a little off the first rank's, as another machine may sum them."""
    if "targets" not in settings:
        return settings
    return settings | {"targets": settings["targets"] * (1 + 0.02 * number)}


def run_rank(number: int, port: int, folder: str, parent: nn.Module) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=number, world_size=RANKS)
    parent = copy.deepcopy(parent)  # what a process is handed lies in shared memory
    if number > 0:  # a rank that starts elsewhere takes over the first one's network
        nn.init.zeros_(next(parent.parameters()))
    made = {
        name: hamu_distributed(
            parent, split(), recipe, seed=5, progress=silent, **COMMON, **of_rank(number, settings)
        )
        for name, settings in CASES.items()
    }
    results = {name: (own.network.state_dict(), own.trace) for name, own in made.items()}
    torch.save(results, Path(folder) / f"{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank made of each case."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(run_rank, (port, str(folder), copy.deepcopy(trained()).double()), nprocs=RANKS)
    return [torch.load(folder / f"{number}.pt", weights_only=False) for number in range(RANKS)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_take_the_steps_of_one(case: str, together: list[dict[str, Any]]) -> None:
    parent = copy.deepcopy(trained()).double()

    alone = hamu(parent, split(), recipe, seed=5, progress=silent, **COMMON, **CASES[case])
    (weights, trace), (other_weights, other_trace) = (made[case] for made in together)

    assert isinstance(trace, Trace)
    assert alone.trace.steps > 2
    assert trace == other_trace
    assert (trace.stop, trace.sample_passes) == (alone.trace.stop, alone.trace.sample_passes)
    for name, column in alone.trace.columns.items():
        assert trace.columns[name] == pytest.approx(column, rel=1e-7, abs=1e-10), name
    for key, expected in alone.network.state_dict().items():
        torch.testing.assert_close(weights[key], expected, rtol=1e-8, atol=1e-10)
        assert torch.equal(weights[key], other_weights[key]), key
