"""What else happens around a stack: the database, the disk, memory, clocks, people."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from app.cli import data_folder
from tests.faults.rig import POLICY, Rig
from tests.faults.table import Table
from tests.faults.trying import carry_out, sql, stalled
from tests.workers.receiver import Receiver

pytestmark = pytest.mark.faults


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


def test_files_that_may_not_grow(rig: Rig, table: Table, receiver: Receiver) -> None:
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


def test_a_store_whose_disk_is_full(rig: Rig, table: Table, receiver: Receiver) -> None:
    store = rig.folder / "store"
    if not store.is_mount():
        pytest.skip("a disk of its own takes the right to mount one")

    def fill(rig: Rig) -> None:
        rig.crash_at("assessing.after_commit", "SIGSTOP")
        request = rig.ask()
        stood = psutil.Process(rig.until(lambda: rig.obeyed))
        with (store / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))
        stood.resume()
        job = rig.job(request)
        failed = rig.until(lambda: rig.call("GET", f"/v1/jobs/{job}")["error"])
        assert "No space left on device" in failed["detail"]
        (store / "filler").unlink()
        rig.until(lambda: rig.completed(request))

    carry_out(rig, table, receiver, "no space left on the disk of the store", fill, versions=2)


def test_a_child_without_memory(rig: Rig, table: Table, receiver: Receiver) -> None:
    def refuse(rig: Rig) -> None:
        rig.crash_at("child.progress", "MemoryError")

    carry_out(rig, table, receiver, "MemoryError in the child, in the middle of a phase", refuse)


def test_a_child_whose_nursery_dies(rig: Rig, table: Table, receiver: Receiver) -> None:
    def orphan(rig: Rig) -> None:
        """SIGKILL of what it was forked from, SIGCONT"""
        nursery = psutil.Process(rig.obeyed).parent()
        assert nursery is not None
        assert nursery.cmdline()[1:] == ["-m", "workers.child"]
        nursery.kill()

    stalled(rig, table, receiver, "child.progress", orphan)


@pytest.mark.parametrize("hours", [1, -1])
def test_clocks_that_jump(rig: Rig, table: Table, receiver: Receiver, hours: int) -> None:
    def jump(rig: Rig) -> None:
        rig.set_clocks(off_by=3600.0 * hours)
        time.sleep(5)  # longer than a lease

    jump.__doc__ = f"clocks that jump by {hours:+d} h"
    try:
        stalled(rig, table, receiver, "assessing.after_commit", jump)
    finally:
        rig.set_clocks(off_by=0.0)
    carry_out(rig, table, receiver, f"clocks that were {hours:+d} h off jump back", nothing_more)


def nothing_more(rig: Rig) -> None:
    """It was done before."""


def test_two_operators_at_once(rig: Rig, table: Table, receiver: Receiver) -> None:
    def both(rig: Rig) -> None:
        set_approval(rig, True)
        request = rig.ask()
        path = f"/v1/jobs/{rig.job(request)}"
        rig.until(lambda: rig.call("GET", path)["state"] == "awaiting_approval")
        with ThreadPoolExecutor(8) as operators:
            said = list(operators.map(lambda does: rig.tried(path + does, does), 4 * BOTH))
        set_approval(rig, False)
        assert said.count(":approve") <= 1
        assert set(said) & set(BOTH)
        rig.until(lambda: rig.completed(request))

    carry_out(rig, table, receiver, "approve and cancel at once, four times each", both, versions=2)


BOTH = (":approve", ":cancel")


def set_approval(rig: Rig, wanted: bool) -> None:
    rig.call("PATCH", "/v1/models/first", json={"policy": POLICY | {"approval": wanted}})
