"""A generation's references: which are still to be trained, what they said, and whose rows go."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer

from app.bitmap import Bitmap
from app.errors import Conflict, NoLiveVersion
from app.ledger import generations, jobs, model_lines, versions
from app.ledger.reference_tables import ReferenceScores
from app.ledger.states import JobKind
from app.ledger.tables import Job, Model, ModelVersion, Sample

FLOAT = struct.Struct("<f")
FORGOTTEN = FLOAT.pack(float("nan"))


@dataclass(frozen=True)
class Design:
    """How many references leave out which part of the people.

    In every round the people are dealt into `parts`, and one reference leaves out each part. Those
    of the first `steering` rounds steer methods, those of the next `judging` rounds judge them.
    """

    parts: int = 4
    steering: int = 2
    judging: int = 1

    @property
    def count(self) -> int:
        return self.parts * (self.steering + self.judging)

    @property
    def cost(self) -> float:
        """In retrains: each reference is trained without one part."""
        return self.count * (self.parts - 1) / self.parts

    def judges(self, number: int) -> bool:
        return number >= self.parts * self.steering


DESIGN = Design()


def queue(session: Session, line: Model, *, now: datetime) -> Job:
    """Ask for the references of the live version's generation, at low priority."""
    model_lines.lock(session, line.id)
    if (live := versions.live(session, line.id)) is None:
        raise NoLiveVersion(f"the model {line.name!r} has no live version yet")
    generation, _ = versions.last_exact(session, live)
    if (active := jobs.active_for(session, line.id, [JobKind.REFERENCES])) is not None:
        raise Conflict(f"job {active.id} of {line.name!r} is training references already")
    if next_number(session, generation.id) is None:
        raise Conflict(f"version {generation.number} of {line.name!r} has all its references")
    return jobs.add(
        session,
        line,
        JobKind.REFERENCES,
        training_set=generation.training_set,
        parent=generation,
        now=now,
    )


def dealt_by(generation: ModelVersion) -> int:
    """The seed of a generation's references: a second job that goes on with them deals as well."""
    return generation.id.int >> (128 - jobs.SEED_BITS)


def next_number(session: Session, version_id: UUID) -> int | None:
    """The first reference that is still to be trained; None when all are there."""
    have = set(
        session.scalars(
            select(ReferenceScores.number).where(ReferenceScores.version_id == version_id)
        )
    )
    return next((number for number in range(DESIGN.count) if number not in have), None)


def have(session: Session, version_id: UUID) -> int:
    """How many references of a version have been trained and scored."""
    query = select(func.count()).where(ReferenceScores.version_id == version_id)
    return session.scalar(query) or 0


def complete(
    session: Session, generation: ModelVersion, *, judging: bool
) -> Sequence[ReferenceScores]:
    """All references that steer, or all that judge; none of them before the last is there."""
    rows = session.scalars(
        select(ReferenceScores)
        .where(ReferenceScores.version_id == generation.id, ReferenceScores.judging == judging)
        .order_by(ReferenceScores.number)
    ).all()
    rounds = DESIGN.judging if judging else DESIGN.steering
    return rows if len(rows) == DESIGN.parts * rounds else ()


def add(
    session: Session,
    generation: ModelVersion,
    number: int,
    *,
    left_out: Bitmap,
    losses: dict[int, float],
    unseen: Sequence[float],
    weights_digest: str,
    now: datetime,
) -> None:
    """Keep what a reference said, by ordinal; of samples that are missing it said nothing."""
    packed = b"".join(
        FLOAT.pack(losses[ordinal]) if ordinal in losses else FORGOTTEN
        for ordinal in generation.training_set
    )
    session.add(
        ReferenceScores(
            version_id=generation.id,
            number=number,
            judging=DESIGN.judges(number),
            left_out=left_out,
            losses=packed,
            unseen=struct.pack(f"<{len(unseen)}f", *unseen),
            weights_digest=weights_digest,
            made_at=now,
        )
    )


def losses_of(row: ReferenceScores, training_set: Bitmap, samples: Bitmap) -> list[float]:
    """What a reference said of these samples, in ascending order of ordinals."""
    return [FLOAT.unpack_from(row.losses, place)[0] for place in places(training_set, samples)]


def unseen_of(row: ReferenceScores) -> list[float]:
    """What it said of the validation samples."""
    return [value for (value,) in FLOAT.iter_unpack(row.unseen)]


def places(training_set: Bitmap, samples: Bitmap) -> list[int]:
    """Where in the packed losses the values of these samples begin."""
    return [FLOAT.size * (training_set.rank(ordinal) - 1) for ordinal in samples]


def owners(session: Session, dataset_id: UUID, samples: Bitmap) -> list[int]:
    """By sample, in ascending order of ordinals: a number for its subject, equal for equal ones."""
    wanted = literal(list(samples), ARRAY(Integer))
    keys = session.scalars(
        select(Sample.subject_key)
        .where(Sample.dataset_id == dataset_id, Sample.ordinal == any_(wanted))
        .order_by(Sample.ordinal)
    ).all()
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return [numbers[key] for key in keys]


def forget(session: Session, model_id: UUID, samples: Bitmap) -> None:
    """Overwrite what references said of these samples: a person's rows go with the person."""
    rows = session.execute(
        select(ReferenceScores, ModelVersion.training_set)
        .join(ModelVersion, ModelVersion.id == ReferenceScores.version_id)
        .where(ModelVersion.model_id == model_id)
        .with_for_update(of=ReferenceScores)
    )
    for row, training_set in rows:
        gone = samples & training_set
        losses = bytearray(row.losses)
        for place in places(training_set, gone):
            losses[place : place + FLOAT.size] = FORGOTTEN
        row.losses, row.left_out = bytes(losses), row.left_out - gone


def telling(session: Session, model_id: UUID, samples: Bitmap) -> dict[UUID, int]:
    """By version: how many of its references still tell something of one of these samples."""
    rows = session.execute(
        select(ReferenceScores, ModelVersion.training_set)
        .join(ModelVersion, ModelVersion.id == ReferenceScores.version_id)
        .where(ModelVersion.model_id == model_id)
    )
    found: dict[UUID, int] = {}
    for row, training_set in rows:
        if tells(row, training_set, samples & training_set):
            found[row.version_id] = found.get(row.version_id, 0) + 1
    return found


def tells(row: ReferenceScores, training_set: Bitmap, samples: Bitmap) -> bool:
    """Whether a row has a loss of one of these samples, or says that one was left out."""
    return bool(row.left_out & samples) or any(
        row.losses[place : place + FLOAT.size] != FORGOTTEN
        for place in places(training_set, samples)
    )


def drop_ended(session: Session) -> int:
    """Delete the scores of generations that have ended; returns how many references that were.

    A reference that was being trained while its generation ended is written down after that.
    """
    in_use = [version_id for version_id, _ in generations.in_use(session)]
    rows = session.execute(
        delete(ReferenceScores)
        .where(ReferenceScores.version_id.not_in(in_use))
        .returning(ReferenceScores.number)
    )
    return len(rows.all())


def drop(session: Session, model_id: UUID, *, but: ModelVersion) -> None:
    """Delete the scores of generations that a newer exact version has ended."""
    session.execute(
        delete(ReferenceScores).where(
            ReferenceScores.version_id.in_(
                select(ModelVersion.id).where(
                    ModelVersion.model_id == model_id, ModelVersion.id != but.id
                )
            )
        )
    )
