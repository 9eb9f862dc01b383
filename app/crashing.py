"""Places where a process kills itself if it is told to: how `make test-faults` tries every crash.

`LACUNA_CRASH_AT=name[:n]` kills the process with SIGKILL when it passes the point of that name for
the n-th time, the first unless told. `LACUNA_CRASH_AT=@FILE` reads the name from a file, whenever
there is one: a stack that runs can so be told to crash. The first process that comes by takes the
file away and dies, or gets the signal whose name follows, or a `MemoryError` if that is what
follows. Without the variable nothing happens.
"""

import os
import signal
from collections import Counter
from pathlib import Path

# By name: what has happened when the process dies there.
POINTS = {
    "intake.before_commit": "a request was taken in, and not committed",
    "ring.before": "a request or job is committed; nobody rang, and no answer was sent",
    "batch.before_commit": "a job was made of erasures, and not committed",
    "batch.after_commit": "a job is committed, and the bell was rung",
    "claim.before_commit": "a job was claimed, and not committed",
    "claim.after_commit": "a job is claimed, and nothing was begun",
    "heartbeat.before_commit": "a lease was renewed, and not committed",
    "heartbeat.after_commit": "a lease is renewed",
    "queued.before_commit": "a job was begun, and not committed",
    "queued.after_commit": "a job is begun",
    "training.before_commit": "a first version lies in the store, and no row says so",
    "training.after_commit": "a first version is ready to be published",
    "assessing.before_commit": "a decision was made, and not committed",
    "assessing.after_commit": "a decision is committed, and nothing was run",
    "unlearning.before_commit": "new weights lie in the store, and no row says so",
    "unlearning.after_commit": "new weights are ready for the audit",
    "auditing.before_commit": "a verdict was reached, and not committed",
    "auditing.after_commit": "a verdict is committed, and nothing was published",
    "publishing.before_commit": "a version was published, and not committed",
    "publishing.after_commit": "a version is published",
    "publish.after_store": "the store was read back, and nothing was published",
    "reference.before_commit": "what a reference said was written down, and not committed",
    "reference.after_commit": "what a reference said is written down",
    "store.before_move": "weights lie in the store under another name",
    "store.before_read_back": "weights lie in the store, and nobody has looked at them",
    "purge.between": "weights are removed, and the row does not say so",
    "purge.after_commit": "weights are purged",
    "sequence.after_second_read": "entries have their index and were read back, unsigned",
    "sequence.after_sign": "a checkpoint is signed, and not committed",
    "sequence.after_commit": "a checkpoint is committed, and the signer does not remember it",
    "sequence.after_remember": "a checkpoint is committed and remembered",
    "sweep.before_ring": "the sweep has found what is due, and rung for nothing",
    "sweep.after_ring": "the sweep has rung, and neither escalated nor purged anything",
    "webhook.before_post": "an attempt is counted, and nothing was sent",
    "webhook.after_post": "a message was sent, and nothing says so",
    "webhook.after_commit": "a message was sent, and that is written down",
    "child.progress": "the child is in the middle of a phase",
    "child.result": "the child has carried out a phase, and told nobody",
}
passed: Counter[str] = Counter()


def at(name: str) -> None:
    """Die here, if that is what was asked for."""
    assert name in POINTS, f"{name} is no point at which to crash"
    if (wanted := os.environ.get("LACUNA_CRASH_AT")) is None:
        return
    if wanted.startswith("@"):
        obey(Path(wanted[1:]), name)
        return
    passed[name] += 1
    point, _, number = wanted.partition(":")
    assert point in POINTS, f"LACUNA_CRASH_AT names {point}, which is no point"
    if name == point and passed[name] >= int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def obey(order: Path, name: str) -> None:
    """Do what a file says, if it is about this point and nobody else has done it."""
    taken = order.with_suffix(f".{os.getpid()}")
    try:
        point, *how = order.read_text().split()
        if point != name:
            return
        order.rename(taken)
    except FileNotFoundError:
        return
    if how == ["MemoryError"]:
        raise MemoryError("none is left")
    os.kill(os.getpid(), signal.Signals[how[0] if how else "SIGKILL"])
