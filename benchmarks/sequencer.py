"""The ledger under load: sequencing, proofs from a large tree, and checking receipts offline.

On a PostgreSQL of its own with its usual, durable settings, in one process and one connection.
Entries are appended by COPY, which is not measured; each batch is sequenced, signed and committed
as the clerk does it. `--seconds` ends the filling early; the size that was reached is told.

    python -m benchmarks.sequencer --entries 1000000 --seconds 180
"""

import argparse
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from statistics import quantiles
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session, sessionmaker

from app.cli import embedded
from app.cli.leftovers import marked, watched
from app.db import connect, sessions_of, transaction
from app.evidence import frontier, merkle, receipt, statement
from app.evidence.frontier import Frontier
from app.evidence.receipt import Entry
from app.evidence.signer import Signer
from app.evidence.statement import Statement
from app.ledger import sequencer, tree
from app.ledger.verification import examine
from app.schema import upgrade

RESULTS = Path(__file__).parent / "results" / "sequencer.txt"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 50_000  # entries appended before the sequencer catches up
PROOFS = 2_000
RECEIPTS = 10_000
SIGNER = Signer("benchmark.example/ledger", (Ed25519PrivateKey.generate(),))


@contextmanager
def database() -> Iterator[sessionmaker[Session]]:
    """A ledger with nothing in it."""
    folder = Path(tempfile.mkdtemp(prefix="lacuna-bench-"))
    with watched(folder):
        server = embedded.postgres(
            folder / "postgres",
            sockets=folder / "sockets",
            log=folder / "postgres.log",
            environment=marked(folder),
        )
        with embedded.running(server) as url:
            upgrade(url)
            engine = connect(url)
            yield sessions_of(engine)
            engine.dispose()
    shutil.rmtree(folder)


def append(sessions: sessionmaker[Session], start: int, count: int) -> None:
    """Entries such as a job's steps leave behind, without their payloads."""
    columns = "kind, hour, commitment, machine, row_id, revision"
    with transaction(sessions) as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        copied = f"COPY ledger_entries ({columns}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copied) as copy:
            for number in range(start, start + count):
                commitment = random.randbytes(32)
                copy.write_row(("job.succeeded", NOW, commitment, "job", UUID(int=number), 0))


def fill(sessions: sessionmaker[Session], entries: int, seconds: float) -> tuple[int, float]:
    """Append and sequence; how many entries were sequenced, and in how many seconds."""
    done, spent, began = 0, 0.0, time.monotonic()
    while done < entries and time.monotonic() - began < seconds:
        append(sessions, done, min(CHUNK, entries - done))
        spent += timed(lambda: catch_up(sessions))
        with transaction(sessions) as session:
            done = tree.current(session).size
    return done, spent


def catch_up(sessions: sessionmaker[Session]) -> None:
    """Sequence what waits, a transaction a batch, each extending what was signed last."""
    remembered: bytes | None = None
    while True:
        with transaction(sessions) as session:
            signed = sequencer.sequence(session, SIGNER, now=NOW, remembered=remembered)
        if signed is None:
            return
        remembered = signed


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def prove(sessions: sessionmaker[Session], size: int) -> tuple[list[float], list[float]]:
    """Seconds of inclusion and of consistency proofs, each in a transaction of its own."""

    def included() -> None:
        with transaction(sessions) as session:
            tree.inclusion(session, random.randrange(size), size)

    def consistent() -> None:
        with transaction(sessions) as session:
            tree.consistency(session, random.randrange(1, size), size)

    return [timed(included) for _ in range(PROOFS)], [timed(consistent) for _ in range(PROOFS)]


def receipts(count: int) -> list[bytes]:
    """Receipts of statements of a usual size, all under one checkpoint."""
    payloads = [stated(number) for number in range(count)]
    entries = [Entry("receipt.completed", NOW, random.randbytes(32)) for _ in payloads]
    leaves = [
        merkle.leaf_hash(receipt.leaf(entry, payload))
        for entry, payload in zip(entries, payloads, strict=True)
    ]
    edge, completed = frontier.extend(Frontier(), leaves)
    stored, head = dict(completed), SIGNER.checkpoint(count, edge.root)
    return [
        receipt.issue(
            SIGNER.statement(payload),
            entry,
            index=index,
            hashes=frontier.proof(merkle.inclusion_ranges(index, count), stored),
            checkpoint=head,
        )
        for index, (entry, payload) in enumerate(zip(entries, payloads, strict=True))
    ]


def stated(number: int) -> bytes:
    """A statement of 8 kB; those of real jobs have about ten."""
    predicate = {"requests": [str(number)], "attacks": [{"auc": 0.5, "text": "x" * 60}] * 90}
    return statement.encode(Statement({"weights.safetensors": f"{number:064x}"}, predicate))


def check(files: list[bytes]) -> float:
    """Seconds to check them all."""
    keys = SIGNER.verifier_keys
    return timed(lambda: [receipt.verify(file, log_keys=keys) for file in files])


def spread(seconds: list[float]) -> str:
    """The middle and the slowest hundredth, in milliseconds."""
    cuts = quantiles(seconds, n=100)
    return f"p50 {1e3 * cuts[49]:.2f} ms, p99 {1e3 * cuts[98]:.2f} ms"


def measured(entries: int, seconds: float) -> Iterator[str]:
    """One line for each figure, as it comes."""
    with database() as sessions:
        size, spent = fill(sessions, entries, seconds)
        yield rate("sequenced and signed", size, "entries", spent)
        included, consistent = prove(sessions, size)
        yield f"inclusion proofs       {PROOFS} at {size} entries: {spread(included)}"
        yield f"consistency proofs     {PROOFS} at {size} entries: {spread(consistent)}"
        with transaction(sessions) as session:
            derived = timed(lambda: examine(session, SIGNER.verifier_keys))
        yield rate("lacuna ledger verify", size, "entries", derived)
    files = receipts(RECEIPTS)
    yield rate(f"receipts of {len(files[0])} bytes", RECEIPTS, "receipts", check(files))


def rate(what: str, count: int, things: str, seconds: float) -> str:
    return f"{what:<22} {count} {things} in {seconds:.1f} s: {count / seconds:.0f} {things}/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=180.0, help="end the filling then")
    asked = parser.parse_args()
    head = [
        f"$ python -m benchmarks.sequencer {' '.join(sys.argv[1:])}".rstrip(),
        f"{platform.machine()}, Python {platform.python_version()}; one process, one connection",
        "",
    ]
    lines = list[str]()
    for line in chain(head, measured(asked.entries, asked.seconds)):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
