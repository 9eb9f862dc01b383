"""Streams the map from samples to subjects into a dataset, by COPY, all or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.errors import Fault, SubjectDiffers
from app.ledger import entries
from app.ledger.tables import Dataset

SHOWN = 20  # faults listed in one refusal


@dataclass(frozen=True)
class Row:
    """One line of an import."""

    line: int
    sample_id: str
    subject_key: bytes


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    new: int
    known: int
    forgotten: int  # of the known: what was forgotten, and stays so


def import_samples(
    session: Session, dataset: Dataset, rows: Iterable[Row], *, now: datetime
) -> Imported:
    """Add samples to the dataset; a second import of the same lines changes nothing.

    Refused as a whole if any sample is already another subject's. Samples that were forgotten are
    told, and stay on the tombstones, also where only marks are left of them: whoever exports all
    of their samples again is not kept from importing the others.
    """
    session.execute(
        text(
            "CREATE TEMP TABLE incoming (line integer, sample_id text, subject_key bytea) "
            "ON COMMIT DROP"
        )
    )
    lines = copy_in(session, rows)
    # One import at a time; deletion requests, which lock the key only, need not wait for it.
    session.refresh(dataset, with_for_update={"key_share": True})
    forgotten = leave_out_marked(session, dataset)
    refuse_other_subjects(session, dataset)
    forgotten += count_buried(session, dataset)
    new = number_new_samples(session, dataset)
    dataset.size += new
    session.execute(text("DROP TABLE incoming"))
    if new:
        entries.append(
            session,
            "dataset.grown",
            machine="dataset",
            row_id=dataset.id,
            now=now,
            payload={"id": str(dataset.id), "new": new, "size": dataset.size},
        )
    session.flush()
    return Imported(new=new, known=lines - new, forgotten=forgotten)


def copy_in(session: Session, rows: Iterable[Row]) -> int:
    """Send the lines to the database as they come; returns how many there were."""
    lines = 0
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN") as copy:
        for row in rows:
            copy.write_row((row.line, row.sample_id, row.subject_key))
            lines += 1
    return lines


def leave_out_marked(session: Session, dataset: Dataset) -> int:
    """Drop the lines of samples of which only a mark is left; returns how many there were."""
    result = session.execute(
        text(
            """
            DELETE FROM incoming i USING tombstone_keys k, samples s
            WHERE k.dataset_id = :dataset AND s.dataset_id = k.dataset_id
                AND s.mark = sha256(k.key || convert_to(i.sample_id, 'UTF8'))
            """
        ),
        {"dataset": dataset.id},
    )
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE gives a CursorResult


def count_buried(session: Session, dataset: Dataset) -> int:
    """How many lines are of samples that lie on the tombstones under their names."""
    lines = session.scalar(
        text(
            """
            SELECT count(*) FROM incoming i JOIN samples s
                ON s.dataset_id = :dataset AND s.sample_id = i.sample_id
                JOIN tombstones USING (dataset_id, ordinal)
            """
        ),
        {"dataset": dataset.id},
    )
    return int(lines or 0)


def refuse_other_subjects(session: Session, dataset: Dataset) -> None:
    """Name the lines that give a sample to another subject than before, here or in the dataset."""
    clashes = session.scalars(
        text(
            """
            SELECT i.line FROM incoming i JOIN samples s
                ON s.dataset_id = :dataset AND s.sample_id = i.sample_id
                WHERE s.subject_key <> i.subject_key
            UNION
            SELECT i.line FROM (
                SELECT line, subject_key, first_value(subject_key) OVER
                    (PARTITION BY sample_id ORDER BY line) AS first_key FROM incoming
            ) i WHERE i.subject_key <> i.first_key
            ORDER BY line
            """
        ),
        {"dataset": dataset.id},
    ).all()
    if clashes:
        raise SubjectDiffers(
            f"{len(clashes)} lines give a sample to another subject than before; nothing was "
            "imported. Correct the lines, or ask for the old samples to be forgotten first.",
            *(
                Fault(f"/{line}", "subject_differs", f"line {line}: already another subject's")
                for line in clashes[:SHOWN]
            ),
        )


def number_new_samples(session: Session, dataset: Dataset) -> int:
    """Give ordinals to the samples that are new, in the order of their lines."""
    result = session.execute(
        text(
            """
            INSERT INTO samples (dataset_id, ordinal, sample_id, subject_key)
            SELECT :dataset, :size - 1 + row_number() OVER (ORDER BY line), sample_id, subject_key
            FROM (
                SELECT DISTINCT ON (sample_id) line, sample_id, subject_key FROM incoming
                ORDER BY sample_id, line
            ) i
            WHERE NOT EXISTS (
                SELECT FROM samples s
                WHERE s.dataset_id = :dataset AND s.sample_id = i.sample_id
            )
            """
        ),
        {"dataset": dataset.id, "size": dataset.size},
    )
    return int(result.rowcount)  # type: ignore[attr-defined]  # an INSERT gives a CursorResult
