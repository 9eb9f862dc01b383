"""The short form of the fault suite: a crash drawn by a seed, in every run of the tests.

`LACUNA_FAULT_SEED` draws others; `make test-faults` tries all of them.
"""

import os
import random

import pytest

from tests.faults.rig import Rig, folder_for_a_stack, running

# Those that one request passes whatever its model and its job are like.
PASSED = (
    "intake.before_commit",
    "ring.before",
    "batch.before_commit",
    "claim.before_commit",
    "claim.after_commit",
    "heartbeat.before_commit",
    "queued.after_commit",
    "assessing.before_commit",
    "assessing.after_commit",
    "unlearning.before_commit",
    "unlearning.after_commit",
    "auditing.before_commit",
    "publish.after_store",
    "publishing.before_commit",
    "publishing.after_commit",
    "store.before_move",
    "store.before_read_back",
    "sequence.after_sign",
    "sequence.after_commit",
    "child.progress",
    "child.result",
)
pytestmark = pytest.mark.slow


def drawn(rig: Rig, lot: random.Random) -> str:
    point = lot.choice(PASSED)
    rig.crash_at(point)
    return point


def test_a_request_survives_a_crash_and_is_carried_out_once() -> None:
    lot = random.Random(int(os.environ.get("LACUNA_FAULT_SEED", "1")))
    with folder_for_a_stack() as folder, running(folder, workers=1) as rig:
        point = drawn(rig, lot)

        request = rig.ask()
        rig.until(lambda: rig.completed(request))

        assert rig.until(lambda: rig.obeyed), point
        assert rig.live("first") == 2, point
        assert set(rig.broken().values()) == {"ok"}, point
