"""Every crash point, and what else happens to a stack: nothing is lost and nothing comes twice."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import make_url, text

from app import crashing
from app.cli import data_folder
from app.db import connect, sessions_of, transaction
from app.queue import RUN_JOB, CeleryQueue
from tests.faults.rig import Rig, folder_for_a_stack, running
from tests.faults.table import Table
from tests.workers.receiver import Receiver, receiving

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.txt"
# A courier that was killed keeps its webhook so long; the one of the fault before may have it yet.
LEASE_OF_A_WEBHOOK = 90.0
Done = Callable[[Rig], None]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def rig(receiver: Receiver) -> Iterator[Rig]:
    with folder_for_a_stack() as folder, running(folder) as rig:
        body = {"url": receiver.url, "events": ["deletion_request.completed"]}
        rig.call("POST", "/v1/webhooks", json=body)
        yield rig


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(Path(os.environ.get("LACUNA_FAULT_TABLE", RESULTS)))


def carry_out(
    rig: Rig, table: Table, receiver: Receiver, fault: str, done: Done, *, versions: int = 1
) -> None:
    """Forget a person while something is done to the stack; then look at what is left."""
    table.begin(fault)
    rig.forget_orders()
    before, started = rig.live("first"), time.monotonic()
    heard = len(set(receiver.ids))
    done(rig)
    request = rig.ask()
    rig.until(lambda: rig.completed(request))
    seconds = time.monotonic() - started
    rig.until(lambda: at_rest(rig))
    rig.until(lambda: len(set(receiver.ids)) > heard, seconds=2 * LEASE_OF_A_WEBHOOK + 60)
    if rig.order.exists():  # nobody came by: try no other fault with it
        rig.forget_orders()
        pytest.fail(f"nobody passed {fault}")
    after, held = rig.live("first"), rig.broken()
    table.add(fault, held, versions=f"{before} -> {after}", seconds=seconds)
    assert set(held.values()) == {"ok"}
    assert after == before + versions


def at_rest(rig: Rig) -> bool:
    """Whether everything is purged and signed that is to be."""
    return sql(rig, "SELECT count(*) FROM ledger_pending") == 0 and not sql(
        rig, "SELECT count(*) FROM model_versions WHERE state = 'withdrawn'"
    )


def sql(rig: Rig, query: str) -> int:
    engine = connect(data_folder.environment(rig.folder)["LACUNA_DATABASE_URL"])
    with transaction(sessions_of(engine)) as session:
        found = session.execute(text(query)).scalar_one()
    engine.dispose()
    return int(found)


# These are passed when a first version is trained, or references are: they are tried there.
OTHERWISE = {
    "training.before_commit",
    "training.after_commit",
    "reference.before_commit",
    "reference.after_commit",
}


@pytest.mark.parametrize("point", sorted(crashing.POINTS.keys() - OTHERWISE))
def test_a_kill_at_every_point(rig: Rig, table: Table, receiver: Receiver, point: str) -> None:
    carry_out(rig, table, receiver, f"SIGKILL at {point}", lambda rig: rig.crash_at(point))


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
        job = rig.job("first")
        for _ in range(10):
            queue.ring(RUN_JOB, job)  # type: ignore[arg-type]
        rig.until(lambda: rig.completed(request))

    carry_out(rig, table, receiver, "each message delivered ten times more", ring, versions=2)


def test_a_worker_that_stalls_past_its_lease_and_wakes(
    rig: Rig, table: Table, receiver: Receiver
) -> None:
    stood = stalled(rig, table, receiver, "publish.after_store", lambda rig: None)
    assert stood.is_running()


def stalled(
    rig: Rig, table: Table, receiver: Receiver, point: str, meanwhile: Done
) -> psutil.Process:
    """Stop whoever passes a point, do something, and let it go on after its lease."""
    fault = f"SIGSTOP at {point}, {meanwhile.__doc__ or 'a lease that runs out, SIGCONT'}"
    table.begin(fault)
    rig.forget_orders()
    before = rig.live("first")
    rig.crash_at(point, "SIGSTOP")
    request = rig.ask()
    stood = psutil.Process(rig.until(lambda: rig.obeyed))
    meanwhile(rig)
    if point == "publish.after_store":
        rig.until(lambda: rig.completed(request))  # by another worker
    stood.resume()
    rig.until(lambda: rig.completed(request))
    rig.until(lambda: at_rest(rig))
    held = rig.broken()
    after = rig.live("first")
    table.add(fault, held, versions=f"{before} -> {after}", seconds=0)
    assert set(held.values()) == {"ok"}
    assert after == before + 1
    return stood


def test_a_connection_that_is_cut_in_the_commit(rig: Rig, table: Table, receiver: Receiver) -> None:
    def cut(rig: Rig) -> None:
        """all connections cut"""
        sql(
            rig,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    stalled(rig, table, receiver, "publishing.before_commit", cut)


def test_a_database_that_is_killed_in_the_commit(
    rig: Rig, table: Table, receiver: Receiver
) -> None:
    def kill(rig: Rig) -> None:
        """PostgreSQL killed"""
        postgres = rig.process("postgres")
        os.killpg(postgres.pid, signal.SIGKILL)
        rig.until(lambda: answers(rig))

    stalled(rig, table, receiver, "publishing.before_commit", kill)


def answers(rig: Rig) -> bool:
    url = make_url(data_folder.environment(rig.folder)["LACUNA_DATABASE_URL"])
    try:
        psycopg.connect(host=str(url.query["host"]), user="postgres", dbname="lacuna").close()
    except psycopg.OperationalError:
        return False
    return True


def test_weights_that_are_cut_short_in_the_store(
    rig: Rig, table: Table, receiver: Receiver
) -> None:
    def truncate(rig: Rig) -> None:
        """weights truncated"""
        newest = max((rig.folder / "store").rglob("*.safetensors"), key=lambda p: p.stat().st_mtime)
        os.truncate(newest, 100)

    stalled(rig, table, receiver, "store.before_read_back", truncate)


def test_a_disk_that_is_full(rig: Rig, table: Table, receiver: Receiver) -> None:
    def fill(rig: Rig) -> None:
        """no file may grow past 4 kB, for a while"""
        stood = psutil.Process(rig.until(lambda: rig.obeyed))
        _, most = stood.rlimit(psutil.RLIMIT_FSIZE)
        stood.rlimit(psutil.RLIMIT_FSIZE, (4096, most))
        stood.resume()
        time.sleep(5)
        if stood.is_running():
            stood.rlimit(psutil.RLIMIT_FSIZE, (most, most))

    stalled(rig, table, receiver, "assessing.after_commit", fill)
