"""How fast deletion requests and sample maps come in, beside the bare statements they consist of.

On a PostgreSQL of its own with its usual, durable settings. The API runs in this process and
without a network, one call after the other; it and the bare route take turns in one run.

Times are those of the machine as it was; the ratios are what to compare.

    python -m benchmarks.intake --samples 10000000
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from app.config import Settings
from app.db import transaction
from app.ledger import datasets, imports, model_lines, versions
from app.ledger.imports import Row
from app.ledger.policy import Policy
from app.main import create_app
from app.serving import settle
from app.subjects import subject_key
from benchmarks.bare_intake import bare
from benchmarks.sequencer import database

RESULTS = Path(__file__).parent / "results" / "intake.txt"
PEPPER = "benchmark"
PATH = "/v1/deletion-requests"
EACH = 2  # samples of a person
ROUNDS, BULK = 10, 2_000
LARGE = 100_000  # ids in one request
LOOKUPS = 2_000
COPIED = "COPY bare (dataset_id, ordinal, sample_id, subject_key) FROM STDIN"


class Silent:
    """A queue that nobody listens to."""

    def ring(self, bell: str, row_id: UUID) -> None:
        """Forget it."""


class World(NamedTuple):
    """A dataset with a model that was trained on all of it."""

    dataset: UUID
    model: UUID


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=30, help="single requests in each round")
    asked = parser.parse_args()
    samples = asked.samples
    load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores at the start"
    lines = [
        f"$ python -m benchmarks.intake {' '.join(sys.argv[1:])}".rstrip(),
        f"{platform.machine()}, Python {platform.python_version()}, durable; {load}",
        "",
    ]
    with database() as sessions:
        for line in measured(sessions, samples, asked.calls):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n")


def measured(sessions: sessionmaker[Session], samples: int, calls: int) -> Iterator[str]:
    """A line for each thing that was measured."""
    world, ratio = grown(sessions, samples)
    yield f"COPY import, of bare COPY into a table with the same indexes: {ratio:.2f}"
    people = samples // EACH
    # No more than are asked for: each collection of garbage would go through millions.
    free = random.Random(1).sample(range(LARGE, people), 2 * ROUNDS * calls + BULK)
    with service(sessions) as http:
        yield single(sessions, http, world, free[BULK:])
        yield in_bulk(http, free[:BULK])
        yield large(http)
    yield lookups(sessions, people)


def grown(sessions: sessionmaker[Session], samples: int) -> tuple[World, float]:
    """A dataset of so many samples, and its import's speed as a part of a bare COPY's."""
    now = datetime.now(UTC)
    keys = [subject_key(f"p{person}", PEPPER) for person in range(samples // EACH)]
    began = time.perf_counter()
    with transaction(sessions) as session:
        dataset = datasets.create(session, "people", now=now)
        rows = (Row(n + 1, f"s{n}", keys[n // EACH]) for n in range(samples))
        imports.import_samples(session, dataset, rows, now=now)
    ours = time.perf_counter() - began
    theirs = copied(sessions, dataset.id, keys)
    with transaction(sessions) as session:
        line = model_lines.create(
            session, "people", recipe="none", dataset=dataset, policy=Policy(), now=now
        )
        versions.publish(
            session,
            line,
            made_by="uploaded",
            weights_digest="0" * 64,
            training_set=datasets.everything(dataset),
            manifest={},
            now=now,
        )
    vacuum(sessions)
    return World(dataset.id, line.id), theirs / ours


def vacuum(sessions: sessionmaker[Session]) -> None:
    """Let the database finish what an import leaves behind, as it does in minutes by itself."""
    engine = sessions.kw["bind"].execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM (ANALYZE) samples"))
        connection.execute(text("CHECKPOINT"))


def copied(sessions: sessionmaker[Session], dataset: UUID, keys: list[bytes]) -> float:
    """Seconds of a COPY of the same rows into a table that has all that ours has."""
    with transaction(sessions) as session:
        session.execute(text("CREATE TABLE bare (LIKE samples INCLUDING ALL)"))
    began = time.perf_counter()
    with transaction(sessions) as session:
        cursor = session.connection().connection.cursor()
        with cursor.copy(COPIED) as copy:
            copy.set_types(["uuid", "int4", "text", "bytea"])
            for n in range(len(keys) * EACH):
                copy.write_row((dataset, n, f"s{n}", keys[n // EACH]))
    seconds = time.perf_counter() - began
    with transaction(sessions) as session:
        session.execute(text("DROP TABLE bare"))
    return seconds


@contextmanager
def service(sessions: sessionmaker[Session]) -> Iterator[TestClient]:
    """The API as it is, on this database."""
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), database_url=url, pepper=PEPPER, rate_limit=10**6
        )
        with TestClient(create_app(settings, Silent())) as http:
            settle()  # as in a process of its own; the bare route has it also
            yield http


def single(
    sessions: sessionmaker[Session], http: TestClient, world: World, people: list[int]
) -> str:
    """One request after the other, in turns with the bare route."""
    owned = {f"p{person}": [person * EACH + n for n in range(EACH)] for person in people}
    asked = iter(owned)
    seconds, calls = {"ours": 0.0, "bare": 0.0}, len(people) // 2 // ROUNDS
    with TestClient(bare(sessions, world.dataset, world.model, owned)) as other:
        for _ in range(ROUNDS):
            for name, client in (("ours", http), ("bare", other)):
                began = time.perf_counter()
                for _ in range(calls):
                    answer = client.post(PATH, json={"subject": next(asked)})
                    assert answer.status_code == 202, answer.text
                seconds[name] += time.perf_counter() - began
    ours, theirs = (1000 * seconds[name] / ROUNDS / calls for name in ("ours", "bare"))
    return f"single intake: {ours:.1f} ms, bare route {theirs:.1f} ms, ratio {theirs / ours:.2f}"


def in_bulk(http: TestClient, people: list[int]) -> str:
    """Many requests in one upload."""
    lines = "".join(f'{{"subject": "p{person}"}}\n' for person in people)
    began = time.perf_counter()
    answer = http.post(
        f"{PATH}:bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    seconds = time.perf_counter() - began
    assert answer.json()["submitted"] == len(people), answer.text
    return f"bulk upload: {len(people)} requests in {seconds:.1f} s, {len(people) / seconds:.0f}/s"


def large(http: TestClient) -> str:
    """One request for very many samples."""
    body: dict[str, Any] = {"dataset": "people", "sample_ids": [f"s{n}" for n in range(LARGE)]}
    began = time.perf_counter()
    answer = http.post(PATH, json=body)
    seconds = time.perf_counter() - began
    assert answer.json()["sample_count"] == LARGE, answer.text
    return f"one request for {LARGE} ids: {seconds:.1f} s"


def lookups(sessions: sessionmaker[Session], people: int) -> str:
    """The samples of one subject after the other, by random."""
    chosen = random.Random(2).sample(range(people), LOOKUPS)
    taken = []
    with transaction(sessions) as session:
        for person in chosen:
            key = subject_key(f"p{person}", PEPPER)
            began = time.perf_counter()
            datasets.ordinals_of_subject(session, key)
            taken.append(1000 * (time.perf_counter() - began))
    p99 = quantiles(taken, n=100)[98]
    return f"lookups of a subject among {people * EACH} samples: p99 {p99:.2f} ms"


if __name__ == "__main__":
    main()
