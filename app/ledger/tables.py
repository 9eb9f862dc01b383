"""The tables of the ledger's nouns; what must hold is a constraint here or a migration's trigger.

The tables of the log itself are in `log_tables.py`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bitmap import Bitmap
from app.db import Base, Table
from app.law import Law, Manner
from app.ledger.reasons import WithdrawalReason
from app.ledger.states import ErasureState, JobKind, JobState, RequestState, VersionState

ACTIVE_OF = "state NOT IN ('succeeded', 'failed', 'cancelled') AND kind IN"


def stored(kind: type[StrEnum]) -> Enum:
    """An enum as text of fixed width, so that a new member needs no new column type."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        values_callable=lambda members: [m.value for m in members],
    )


class Dataset(Table):
    """A named, growing index of samples and the subjects they belong to."""

    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int] = mapped_column(default=0)  # also the next ordinal
    created_at: Mapped[datetime]


class Sample(Base):
    """One training example by its owner's id; its content never comes here.

    Once the request that had it forgotten is shredded, a mark stands for its id, and a random
    value for its subject.
    """

    __tablename__ = "samples"

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sample_id: Mapped[str | None]
    mark: Mapped[bytes | None]  # SHA-256 of the dataset's tombstone key and the id
    subject_key: Mapped[bytes]

    __table_args__ = (
        CheckConstraint("(sample_id IS NULL) = (mark IS NOT NULL)", name="name_or_mark"),
        UniqueConstraint("dataset_id", "sample_id"),
        UniqueConstraint("dataset_id", "mark"),
        Index("ix_samples_subject", "subject_key", "dataset_id"),
    )


class Model(Table):
    """A named line of versions that share a recipe and a dataset."""

    __tablename__ = "models"

    name: Mapped[str] = mapped_column(unique=True)
    recipe: Mapped[str]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"))
    policy: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    dataset: Mapped[Dataset] = relationship(lazy="raise")


class Job(Table):
    """The work that makes a model version, or that measures and prepares what makes one."""

    __tablename__ = "jobs"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    kind: Mapped[JobKind] = mapped_column(stored(JobKind))
    state: Mapped[JobState] = mapped_column(stored(JobState))
    revision: Mapped[int] = mapped_column(default=0)
    parent_version_id: Mapped[UUID | None]
    forget_set: Mapped[Bitmap]
    training_set: Mapped[Bitmap]  # what the new version will have been trained on
    forget_size: Mapped[int | None]  # of a forget set that was shredded
    retain_size: Mapped[int | None]  # of what a dry run would have kept, likewise
    seed: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    attempt: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    incarnation: Mapped[UUID | None]
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]  # back-off after an attempt that failed
    cancel_asked_at: Mapped[datetime | None]

    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    hardness: Mapped[dict[str, Any] | None]
    decision: Mapped[dict[str, Any] | None]
    run: Mapped[dict[str, Any] | None]  # trace, cost and weights of what was run
    audit: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]

    model: Mapped[Model] = relationship(lazy="raise")

    __table_args__ = (
        ForeignKeyConstraint(
            ["parent_version_id"],
            ["model_versions.id"],
            name="fk_jobs_parent_version_id",
            use_alter=True,
        ),
        CheckConstraint(
            "(kind = 'train') = (parent_version_id IS NULL)", name="only_training_has_no_parent"
        ),
        # I2: at most one active job per model.
        Index(
            "uq_jobs_one_active_per_model",
            "model_id",
            unique=True,
            postgresql_where=text(f"{ACTIVE_OF} ('train', 'unlearn')"),
        ),
        # These are worked on when nothing else is to be done: they keep nobody waiting.
        Index(
            "uq_jobs_one_of_low_priority",
            "model_id",
            "kind",
            unique=True,
            postgresql_where=text(f"{ACTIVE_OF} ('references', 'calibrate')"),
        ),
        Index("ix_jobs_created", "created_at", "id"),
    )


class ModelVersion(Table):
    """An immutable row: which weights, trained on what, made how, out of which parent."""

    __tablename__ = "model_versions"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))
    # I2: at most one version per job.
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"), unique=True)
    state: Mapped[VersionState] = mapped_column(stored(VersionState))
    revision: Mapped[int] = mapped_column(default=0)
    made_by: Mapped[str]  # trained, uploaded, or the route of an unlearning job
    weights_digest: Mapped[str]
    training_set: Mapped[Bitmap]
    training_set_digest: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    successor_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))
    withdrawal_reason: Mapped[WithdrawalReason | None] = mapped_column(stored(WithdrawalReason))

    __table_args__ = (UniqueConstraint("model_id", "number"),)


class Alias(Base):
    """A name that consumers follow, such as `live`; never on a withdrawn version (I5)."""

    __tablename__ = "aliases"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    moved_at: Mapped[datetime]


class DeletionRequest(Table):
    """One person's demand, or one list of samples, that every model must forget."""

    __tablename__ = "deletion_requests"

    external_id: Mapped[str | None] = mapped_column(unique=True)
    state: Mapped[RequestState] = mapped_column(stored(RequestState))
    revision: Mapped[int] = mapped_column(default=0)
    subject_key: Mapped[bytes | None]
    sample_count: Mapped[int]
    law: Mapped[Law] = mapped_column(stored(Law), default=Law.GDPR)
    manner: Mapped[Manner | None] = mapped_column(stored(Manner))  # null: nobody said
    received_at: Mapped[datetime]
    confirm_by: Mapped[datetime | None]  # by when receipt is confirmed, where the law wants that
    due_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    shredded_at: Mapped[datetime | None]  # when it was forgotten who asked, and for what

    erasures: Mapped[list["Erasure"]] = relationship(
        back_populates="request", lazy="raise", order_by="Erasure.model_id"
    )

    __table_args__ = (
        CheckConstraint("due_at > received_at", name="due_after_receipt"),
        Index("ix_deletion_requests_received", "received_at", "id"),
        Index(
            "ix_deletion_requests_kept",
            "finished_at",
            postgresql_where=text("shredded_at IS NULL"),
        ),
    )


class RequestSamples(Base):
    """Which samples of a dataset a request was resolved to."""

    __tablename__ = "request_samples"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    samples: Mapped[Bitmap]


class Erasure(Table):
    """One request's consequence for one model: the unit that is batched."""

    __tablename__ = "erasures"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), index=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    state: Mapped[ErasureState] = mapped_column(stored(ErasureState))
    revision: Mapped[int] = mapped_column(default=0)
    samples: Mapped[Bitmap]
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    not_before: Mapped[datetime | None]  # set when a job failed, so that the next one waits
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    version_id: Mapped[UUID | None] = mapped_column(ForeignKey("model_versions.id"))

    request: Mapped[DeletionRequest] = relationship(back_populates="erasures", lazy="raise")
    model: Mapped[Model] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("request_id", "model_id"),
        Index(
            "ix_erasures_pending",
            "model_id",
            "created_at",
            postgresql_where=text("state = 'pending'"),
        ),
    )


class IdempotencyKey(Base):
    """What was answered to a POST, so that its repetition is answered the same."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Worker(Base):
    """A live worker and what it can run; the row is its heartbeat."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    incarnation: Mapped[UUID]
    recipes: Mapped[dict[str, Any]]  # name -> {"parameters": {tensor: {"dtype", "shape"}}, ...}
    device: Mapped[str]
    versions: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
