"""The stack of the fault tests, the receiver that it tells, and the table of what came of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig, folder_for_a_stack, on_a_small_disk, running
from tests.faults.table import Table
from tests.workers.receiver import Receiver, receiving

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.txt"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def rig(receiver: Receiver) -> Iterator[Rig]:
    with (
        folder_for_a_stack() as folder,
        on_a_small_disk(folder / "store"),
        running(folder) as rig,
    ):
        body = {"url": receiver.url, "events": ["deletion_request.completed"]}
        rig.call("POST", "/v1/webhooks", json=body)
        yield rig


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(Path(os.environ.get("LACUNA_FAULT_TABLE", RESULTS)))
