"""Rows for tests; each factory names only what the test is about."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from app.api.weights_header import Form
from app.bitmap import Bitmap
from app.ledger import (
    announcements,
    datasets,
    derived,
    imports,
    intake,
    jobs,
    model_lines,
    publishing,
    requests,
    versions,
)
from app.ledger.derived import Child
from app.ledger.policy import Policy
from app.ledger.states import Derivation, JobState
from app.ledger.tables import Dataset, DeletionRequest, Erasure, Job, Model, ModelVersion
from app.ledger.transitions import move
from app.subjects import subject_key

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PEPPER = "pepper"
PEOPLE = ("ada", "ben", "eve", "kim", "zoe")
EACH = 2
WEIGHT: Form = {"dtype": "F32", "shape": [2, 3]}  # the only tensor of a network
DAY = timedelta(days=1)


def key_of(person: str) -> bytes:
    return subject_key(person, PEPPER)


def make_dataset(
    session: Session, name: str = "faces", *, people: Iterable[str] = PEOPLE, each: int = EACH
) -> Dataset:
    """A dataset in which each person has samples `<person>-0`, `<person>-1`, … in this order."""
    dataset = datasets.create(session, name, now=NOW)
    grow(session, dataset, *people, each=each)
    return dataset


def grow(session: Session, dataset: Dataset, *people: str, each: int = EACH) -> None:
    """More samples for a dataset."""
    ids = [(person, f"{person}-{place}") for person in people for place in range(each)]
    rows = [
        imports.Row(line=line, sample_id=sample_id, subject_key=key_of(person))
        for line, (person, sample_id) in enumerate(ids, start=1)
    ]
    imports.import_samples(session, dataset, rows, now=NOW)


def ordinals(session: Session, dataset: Dataset, *people: str) -> Bitmap:
    """The samples of these people."""
    found = Bitmap()
    for person in people:
        found |= datasets.ordinals_of_subject(session, key_of(person)).get(dataset.id, Bitmap())
    return found


def make_model(
    session: Session, dataset: Dataset | None = None, name: str = "faces", **policy: Any
) -> Model:
    return model_lines.create(
        session,
        name,
        recipe="tiny",
        dataset=dataset or make_dataset(session),
        policy=Policy(**policy),
        now=NOW,
    )


def make_version(
    session: Session,
    line: Model | None = None,
    *,
    training_set: Bitmap | None = None,
    weights: str = "",
) -> ModelVersion:
    """A published version, trained on the whole dataset unless told otherwise."""
    line = line or make_model(session)
    return versions.publish(
        session,
        line,
        made_by="uploaded",
        weights_digest=digest_of(weights),
        training_set=training_set or whole(session, line),
        manifest={},
        now=NOW,
    )


def make_child(
    session: Session,
    version: ModelVersion | None = None,
    *,
    name: str = "acme-ft",
    now: datetime = NOW,
) -> Child:
    """A version that somebody fine-tuned elsewhere."""
    version = version or make_version(session)
    told = derived.Registration(
        name=name,
        location="https://models.acme.example/ft",
        how=Derivation.FINE_TUNE,
        contact="privacy@acme.example",
    )
    line = model_lines.by_id(session, version.model_id)
    return derived.register(session, line, version, told, now=now)


def digest_of(weights: str) -> str:
    """Of these weights, or of some that nobody has seen before."""
    return sha256((weights or str(uuid4())).encode()).hexdigest()


def whole(session: Session, line: Model) -> Bitmap:
    """All samples of a model's dataset."""
    return datasets.everything(session.get_one(Dataset, line.dataset_id))


def make_request(
    session: Session,
    *people: str,
    now: datetime = NOW,
    due_at: datetime | None = None,
    external_id: str | None = None,
) -> DeletionRequest:
    """An accepted request for all samples of these people, wherever they are."""
    samples: dict[UUID, Bitmap] = {}
    for person in people:
        for dataset_id, theirs in datasets.ordinals_of_subject(session, key_of(person)).items():
            samples[dataset_id] = samples.get(dataset_id, Bitmap()) | theirs
    request, _ = intake.submit(
        session,
        requests.Submission(
            samples=samples,
            subject_key=key_of(people[0]) if len(people) == 1 else None,
            received_at=now,
            due_at=due_at or now + 30 * DAY,
            external_id=external_id,
        ),
        now=now,
    )
    return request


def make_erasure(session: Session, *people: str, **request: Any) -> Erasure:
    """The one erasure of a request that concerns one model."""
    (erasure,) = make_request(session, *people, **request).erasures
    return erasure


def make_job(
    session: Session, *, parent: ModelVersion | None = None, forget: Bitmap | None = None
) -> Job:
    """A queued job that unlearns some samples of a version, without erasures."""
    parent = parent or make_version(session)
    line = model_lines.by_id(session, parent.model_id)
    return jobs.queue_unlearning(
        session, line, parent, forget or Bitmap([0]), due_at=NOW + 30 * DAY, now=NOW
    )


def make_training(session: Session, line: Model | None = None) -> Job:
    """A queued first training on the whole dataset."""
    line = line or make_model(session)
    return jobs.queue_training(session, line, whole(session, line), now=NOW)


def claim(
    session: Session, job: Job, *, worker: str = "worker", now: datetime = NOW, lease: float = 30.0
) -> Job | None:
    return jobs.claim(
        session, job.id, worker=worker, incarnation=uuid4(), lease_seconds=lease, now=now
    )


def run_through(
    session: Session, job: Job, *, weights: str = "", route: str = "retrain"
) -> ModelVersion:
    """Bring a queued unlearning job to its new version, as a worker would."""
    job.decision = {"route": route}
    for state in (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    return publishing.publish_unlearned(
        session,
        job,
        route=route,
        weights_digest=digest_of(weights),
        manifest={},
        now=NOW,
    )


def announce_worker(
    session: Session,
    name: str = "worker",
    *,
    recipe: str = "tiny",
    parameters: Mapping[str, Form] | None = None,
    now: datetime = NOW,
) -> None:
    """A live worker that can run one recipe."""
    announcements.announce(
        session,
        name,
        incarnation=uuid4(),
        recipes={recipe: {"parameters": parameters or {"weight": WEIGHT}, "samples": 10}},
        device="cpu",
        versions={"python": "3.11"},
        now=now,
    )
