"""Deletion requests come in: one, or many in one transaction, in as many statements.

They are written set by set and not through the session's unit of work, which took most of the time
that a single request took. Edges and entries are those of `transitions`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.types import LargeBinary, String

from app.bitmap import Bitmap
from app.errors import ServiceError
from app.evidence.canonical import Json
from app.ledger import (
    accepting,
    canaries,
    datasets,
    derived,
    entries,
    first_training,
    forget_sets,
    owing,
    receipts,
    requests,
    transitions,
)
from app.ledger.derived import Child
from app.ledger.entries import Fact
from app.ledger.forget_sets import Names
from app.ledger.log_tables import SampleCommitment
from app.ledger.owing import Published
from app.ledger.requests import Samples, Submission
from app.ledger.set_writing import insert_all, take_over
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Job, Model, Sample
from app.ledger.uniqueness import or_refuse


@dataclass(frozen=True)
class Reach:
    """What some samples are called, and what they lead to; read once for all requests."""

    names: Names
    published: Published
    children: Sequence[Child]


def samples_of_subjects(
    session: Session, subject_keys: Sequence[bytes]
) -> dict[bytes, dict[UUID, Bitmap]]:
    """By subject and dataset: the samples that are theirs; who has none is left out."""
    wanted = literal(list(subject_keys), ARRAY(LargeBinary))
    rows = session.execute(
        select(Sample.subject_key, Sample.dataset_id, func.array_agg(Sample.ordinal))
        .where(Sample.subject_key == any_(wanted))
        .group_by(Sample.subject_key, Sample.dataset_id)
    )
    found: dict[bytes, dict[UUID, Bitmap]] = {}
    for subject_key, dataset_id, ordinals in rows:
        found.setdefault(subject_key, {})[dataset_id] = Bitmap(ordinals)
    return found


def refusals(
    session: Session, submissions: Sequence[Submission]
) -> Iterator[tuple[int, ServiceError]]:
    """Which of them would leave a model with nothing; by their places."""
    samples = [each.samples for each in submissions]
    published = owing.published(session, union(samples))
    for place, theirs in enumerate(samples):
        try:
            owing.models(session, theirs, published)
        except ServiceError as refusal:
            yield place, refusal


def names_taken(
    session: Session, external_ids: Sequence[str | None]
) -> Iterator[tuple[int, ServiceError]]:
    """Which of these ids are another request's, or stand here twice; by their places."""
    times = Counter(name for name in external_ids if name is not None)
    known = session.scalars(
        select(DeletionRequest.external_id).where(
            DeletionRequest.external_id == any_(literal(list(times), ARRAY(String)))
        )
    )
    taken = set(known) | {name for name, count in times.items() if count > 1}
    for place, name in enumerate(external_ids):
        if name in taken:
            yield place, requests.known_already()


def submit(
    session: Session, submission: Submission, *, now: datetime
) -> tuple[DeletionRequest, Sequence[Child]]:
    """Accept a request at once. Returns also what derived versions its samples reach."""
    (request,), children = submit_all(session, [submission], now=now)
    return request, children


def submit_all(
    session: Session, submissions: Sequence[Submission], *, now: datetime
) -> tuple[list[DeletionRequest], Sequence[Child]]:
    """Accept all of these requests. Raises NameTaken where an `external_id` is not free.

    Returns also what versions derived elsewhere their samples reach.
    """
    samples = [each.samples for each in submissions]
    everything = union(samples)
    trainings = first_training.hold(session, everything)
    reached = bury(session, samples, trainings, now=now)
    made = [requests.row(each) for each in submissions]
    named = any(request.external_id is not None for request in made)
    # Only an outside id can clash; without one there is nothing to roll back to.
    with or_refuse(session, requests.known_already()) if named else nullcontext():
        insert_all(session.connection(), made)
    facts = [requests.received_fact(request, now=now) for request in made]
    accept_all(session, made, samples, reached, facts, now=now)
    return made, reached.children


def accept(
    session: Session,
    request: DeletionRequest,
    samples: Samples,
    trainings: Sequence[Job],
    *,
    now: datetime,
) -> None:
    """Have one request count that waited.

    The datasets are locked already, and before them the `trainings` of first versions.
    """
    session.flush()  # what is written here is not written through the session
    reached = bury(session, [samples], trainings, now=now)
    accept_all(session, [request], [samples], reached, [], now=now)


def bury(
    session: Session, samples: Sequence[Samples], trainings: Sequence[Job], *, now: datetime
) -> Reach:
    """Put samples on the tombstones, and find what they lead to. The datasets are locked."""
    everything = union(samples)
    names = forget_sets.names(session, everything)
    reached = Reach(
        names,
        owing.published(session, everything),
        derived.reached(session, everything) if names.derived else (),
    )
    for dataset_id, ordinals in everything.items():
        datasets.bury(session, dataset_id, ordinals, now=now)
    if names.canaries:
        canaries.leave(session, everything)
    first_training.leave_out(session, trainings, everything, now=now)
    return reached


def accept_all(
    session: Session,
    made: Sequence[DeletionRequest],
    samples: Sequence[Samples],
    reached: Reach,
    facts: list[Fact],
    *,
    now: datetime,
) -> None:
    """Have requests count: each model that saw their samples owes an erasure.

    Those whose samples no model saw are completed at once. `facts`: what is to be entered first.
    """
    owed = [owing.models(session, theirs, reached.published) for theirs in samples]
    committed = []
    for request, theirs, lines in zip(made, samples, owed, strict=True):
        request.sample_count = sum(map(len, theirs.values()))
        told: dict[str, Json] = {"samples": request.sample_count}
        facts.append(transitions.stepped(request, RequestState.ACCEPTED, now=now, facts=told))
        facts += owe(request, lines, now=now)
        committed.append(forget_sets.commitment(request.id, reached.names.of(theirs)))
        facts.append(receipts.acceptance(request, committed[-1], now=now))
    connection = session.connection()  # asked for once: the session looks it up each time
    accepting.write(connection, made, samples, committed, now=now)
    take_over(session, [request for request in made if request in session])  # those that waited
    unseen = {place: theirs for place, theirs in enumerate(samples) if not made[place].erasures}
    if unseen:
        facts += ended(session, made, unseen, committed, reached.children, now=now)
    entries.append_all(connection, facts, now=now)
    take_over(session, [*made, *accepting.owed_to(made)])


def ended(
    session: Session,
    made: Sequence[DeletionRequest],
    unseen: Mapping[int, Samples],
    committed: Sequence[SampleCommitment],
    children: Sequence[Child],
    *,
    now: datetime,
) -> list[Fact]:
    """End those requests, by their places, whose samples no model saw; returns what to enter."""
    requests.make_sure(session, RequestState.COMPLETED_NO_DATA, union(unseen.values()))
    facts = list[Fact]()
    for place, theirs in unseen.items():
        reaching = derived.among(children, theirs)
        facts += completed(session, made[place], committed[place], reaching, now=now)
    accepting.end(session.connection(), [made[place].id for place in unseen], now=now)
    return facts


def owe(request: DeletionRequest, owed: Mapping[Model, Bitmap], *, now: datetime) -> Iterator[Fact]:
    """Have models owe a request the forgetting of these samples; not yet in the database."""
    erasures = [
        Erasure(
            id=uuid4(),
            request_id=request.id,
            model_id=line.id,
            model=line,
            state=ErasureState.PENDING,
            revision=0,
            samples=ordinals,
            due_at=request.due_at,
            created_at=now,
        )
        for line, ordinals in owed.items()
    ]
    set_committed_value(request, "erasures", erasures)  # or the session would look for changes
    for each in erasures:
        set_committed_value(each, "request", request)
        facts: dict[str, Json] = {"request": str(request.id), "samples": len(each.samples)}
        yield transitions.fact_of(each, now=now, facts=facts)


def completed(
    session: Session,
    request: DeletionRequest,
    forget_set: SampleCommitment,
    children: Sequence[Child],
    *,
    now: datetime,
) -> Iterator[Fact]:
    """What is to be entered of a request whose samples no model saw."""
    request.finished_at = now
    yield transitions.stepped(
        request, RequestState.COMPLETED_NO_DATA, now=now, facts={"erasures": 0}
    )
    yield receipts.completion(session, request, forget_set, children, now=now)


def union(samples: Iterable[Samples]) -> dict[UUID, Bitmap]:
    """By dataset: the samples of all of them."""
    total: dict[UUID, Bitmap] = {}
    for theirs in samples:
        for dataset_id, ordinals in theirs.items():
            if ordinals:
                total[dataset_id] = total.get(dataset_id, Bitmap()) | ordinals
    return total
