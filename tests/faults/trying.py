"""Forgets a person while something is done to the stack, and looks at what is left."""

import time
from collections.abc import Callable

import psutil
import pytest
from sqlalchemy import text

from app.cli import data_folder
from app.db import connect, sessions_of, transaction
from tests.faults.rig import Rig
from tests.faults.table import Table
from tests.workers.receiver import Receiver

# A courier that was killed keeps its webhook so long; the one of the fault before may have it yet.
LEASE_OF_A_WEBHOOK = 90.0
Done = Callable[[Rig], None]


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
