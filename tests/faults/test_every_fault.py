"""Every crash point, and every program: nothing is lost and nothing comes twice."""

import os
import signal

import psutil
import pytest
import redis

from app import crashing
from app.cli import data_folder
from app.queue import RUN_JOB, CeleryQueue
from tests.faults.rig import Rig
from tests.faults.table import Table
from tests.faults.trying import carry_out, stalled
from tests.workers.receiver import Receiver

pytestmark = pytest.mark.faults

# These are passed when a first version is trained, or references are, or by a job that takes longer
# than any does here: they are tried there.
OTHERWISE = {
    "heartbeat.before_commit",
    "heartbeat.after_commit",
    "training.before_commit",
    "training.after_commit",
    "reference.before_commit",
    "reference.after_commit",
}


@pytest.mark.parametrize("point", sorted(crashing.POINTS.keys() - OTHERWISE))
def test_a_kill_at_every_point(rig: Rig, table: Table, receiver: Receiver, point: str) -> None:
    carry_out(rig, table, receiver, f"SIGKILL at {point}", lambda rig: rig.crash_at(point))


@pytest.mark.parametrize("point", ["heartbeat.before_commit", "heartbeat.after_commit"])
def test_a_kill_while_a_lease_is_renewed(
    rig: Rig, table: Table, receiver: Receiver, point: str
) -> None:
    def hold(rig: Rig) -> None:
        rig.crash_at("child.progress", "SIGSTOP")
        request = rig.ask()
        held = psutil.Process(rig.until(lambda: rig.obeyed))
        rig.forget_orders()
        rig.crash_at(point)
        rig.until(lambda: rig.obeyed)
        held.resume()
        rig.until(lambda: rig.completed(request))

    carry_out(rig, table, receiver, f"SIGKILL at {point}", hold, versions=2)


@pytest.mark.parametrize("point", ["training.before_commit", "training.after_commit"])
def test_a_kill_while_a_first_version_is_trained(
    rig: Rig, table: Table, receiver: Receiver, point: str
) -> None:
    def train_another(rig: Rig) -> None:
        rig.crash_at(point)
        name = point.replace(".", "-")
        rig.train(name)
        rig.until(lambda: rig.live(name) == 1)

    carry_out(rig, table, receiver, f"SIGKILL at {point}", train_another)


@pytest.mark.parametrize("point", ["reference.before_commit", "reference.after_commit"])
def test_a_kill_while_a_reference_is_written_down(
    rig: Rig, table: Table, receiver: Receiver, point: str
) -> None:
    def refer(rig: Rig) -> None:
        rig.crash_at(point)
        rig.call("POST", "/v1/models/first:build-references")
        rig.until(lambda: rig.obeyed)

    carry_out(rig, table, receiver, f"SIGKILL at {point}", refer)


@pytest.mark.parametrize("name", ["api", "worker1", "clerk", "courier", "beat", "valkey"])
def test_a_kill_of_a_whole_program(rig: Rig, table: Table, receiver: Receiver, name: str) -> None:
    def kill(rig: Rig) -> None:
        os.killpg(rig.process(name).pid, signal.SIGKILL)

    carry_out(rig, table, receiver, f"SIGKILL of {name} and its children", kill)


def test_a_stop_signal_while_a_version_is_published(
    rig: Rig, table: Table, receiver: Receiver
) -> None:
    carry_out(
        rig,
        table,
        receiver,
        "SIGTERM at publish.after_store",
        lambda rig: rig.crash_at("publish.after_store", "SIGTERM"),
    )


def test_a_broker_that_loses_everything(rig: Rig, table: Table, receiver: Receiver) -> None:
    def flush(rig: Rig) -> None:
        rig.crash_at("claim.after_commit")
        broker = data_folder.environment(rig.folder)["LACUNA_REDIS_URL"]
        path = broker.removeprefix("redis+socket://").partition("?")[0]
        with redis.Redis(unix_socket_path=path) as client:
            client.flushall()

    carry_out(rig, table, receiver, "FLUSHALL of the broker, and a kill after the claim", flush)


def test_every_message_ten_times(rig: Rig, table: Table, receiver: Receiver) -> None:
    def ring(rig: Rig) -> None:
        queue = CeleryQueue(data_folder.environment(rig.folder)["LACUNA_REDIS_URL"])
        request = rig.ask()
        job = rig.job(request)
        for _ in range(10):
            queue.ring(RUN_JOB, job)  # type: ignore[arg-type]
        rig.until(lambda: rig.completed(request))

    carry_out(rig, table, receiver, "each message delivered ten times more", ring, versions=2)


def test_a_worker_that_stalls_past_its_lease_and_wakes(
    rig: Rig, table: Table, receiver: Receiver
) -> None:
    stood = stalled(rig, table, receiver, "publish.after_store", lambda rig: None)
    assert stood.is_running()
