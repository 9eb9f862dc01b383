"""Many requests in one transaction, with as many statements as one takes and not as many as all.

What comes of each is what `requests.submit` makes of it alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import LargeBinary, String

from app.bitmap import Bitmap
from app.errors import NameTaken, ServiceError
from app.evidence.canonical import Json
from app.ledger import (
    canaries,
    datasets,
    first_training,
    forget_sets,
    owing,
    receipts,
    requests,
    versions,
)
from app.ledger.requests import Submission
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Model, ModelVersion, Sample
from app.ledger.transitions import create_all, move_all
from app.ledger.uniqueness import or_refuse

Published = Sequence[tuple[ModelVersion, Model]]


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
    """Which of them could not be accepted, and why; by their places."""
    wanted = [each.external_id for each in submissions if each.external_id is not None]
    taken = set(
        session.scalars(
            select(DeletionRequest.external_id).where(
                DeletionRequest.external_id == any_(literal(wanted, ARRAY(String)))
            )
        )
    )
    times = Counter(wanted)
    published, live = lines_of(session, union(submissions))
    for place, each in enumerate(submissions):
        if each.external_id in taken or times[each.external_id or ""] > 1:
            yield place, requests.known_already()
        try:
            owed(each.samples, published, live)
        except ServiceError as refusal:
            yield place, refusal


def submit_all(
    session: Session, submissions: Sequence[Submission], *, now: datetime
) -> list[DeletionRequest]:
    """Accept all of these requests. Raises NameTaken where an `external_id` is not free."""
    everything = union(submissions)
    first_training.lock(session, everything)
    datasets.share_lock(session, everything)
    published, live = lines_of(session, everything)
    made = [requests.row(each) for each in submissions]
    with or_refuse(session, NameTaken("a request with one of these external_ids exists already")):
        create_all(session, made, [requests.asked(each) for each in made], now=now)
    for request, each in zip(made, submissions, strict=True):
        requests.keep_samples(session, request, each.samples)
    for dataset_id, ordinals in everything.items():
        datasets.bury(session, dataset_id, ordinals, now=now)
    canaries.leave(session, everything)
    first_training.leave_out(session, everything, now=now)
    counts: list[dict[str, Json]] = [{"samples": request.sample_count} for request in made]
    move_all(session, made, RequestState.ACCEPTED, counts, now=now)
    erasures = [
        Erasure(
            request=request,
            model=line,
            state=ErasureState.PENDING,
            samples=ordinals,
            due_at=request.due_at,
            created_at=now,
        )
        for request, each in zip(made, submissions, strict=True)
        for line, ordinals in owed(each.samples, published, live).items()
    ]
    facts: list[dict[str, Json]] = [
        {"request": str(each.request.id), "samples": len(each.samples)} for each in erasures
    ]
    create_all(session, erasures, facts, now=now)
    state_acceptances(session, made, submissions, everything, now=now)
    owed_nothing = union(
        [each for request, each in zip(made, submissions, strict=True) if not request.erasures]
    )
    requests.make_sure(session, RequestState.COMPLETED_NO_DATA, owed_nothing)
    for request in made:
        requests.settle(session, request, now=now, looked=True)
    return made


def state_acceptances(
    session: Session,
    made: Sequence[DeletionRequest],
    submissions: Sequence[Submission],
    everything: Mapping[UUID, Bitmap],
    *,
    now: datetime,
) -> None:
    """The receipts' statements; the samples' names are read once for all."""
    names = forget_sets.names(session, everything)
    for request, each in zip(made, submissions, strict=True):
        forget_set = forget_sets.commit_named(session, request.id, names.of(each.samples))
        receipts.enter_acceptance(session, request, forget_set, now=now)
    session.flush()


def union(submissions: Sequence[Submission]) -> dict[UUID, Bitmap]:
    """By dataset: the samples of all of them."""
    total: dict[UUID, Bitmap] = {}
    for each in submissions:
        for dataset_id, ordinals in each.samples.items():
            if ordinals:
                total[dataset_id] = total.get(dataset_id, Bitmap()) | ordinals
    return total


def lines_of(
    session: Session, samples: Mapping[UUID, Bitmap]
) -> tuple[Published, dict[UUID, ModelVersion]]:
    """The published versions trained on these datasets, and the live one of each model."""
    published = [(version, line) for version, line in versions.published(session, samples)]
    return published, versions.lives(session, {line.id for _, line in published})


def owed(
    samples: Mapping[UUID, Bitmap], published: Published, live: Mapping[UUID, ModelVersion]
) -> dict[Model, Bitmap]:
    """By model: the samples that one of its published versions was trained on."""
    found = owing.seen(samples, published)
    for line, ordinals in found.items():
        owing.refuse_everything(line, live[line.id], ordinals)
    return found
