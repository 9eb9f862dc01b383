"""The states of everything that has one, and the only edges between them."""

from enum import StrEnum


class RequestState(StrEnum):
    """Of a deletion request; the parent shows the least advanced of its erasures."""

    RECEIVED = "received"
    VERIFYING = "verifying"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    COMPLETED_NO_DATA = "completed_no_data"
    DENIED = "denied"
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"


class ErasureState(StrEnum):
    """Of one request's consequence for one model."""

    PENDING = "pending"
    BATCHED = "batched"
    FORGOTTEN = "forgotten"
    CLEARED = "cleared"  # no live version saw the samples any more
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"


class JobState(StrEnum):
    """Of the work that makes one model version."""

    QUEUED = "queued"
    TRAINING = "training"  # a model's first version only; see docs/decisions/0003
    ASSESSING = "assessing"
    AWAITING_APPROVAL = "awaiting_approval"
    UNLEARNING = "unlearning"
    AUDITING = "auditing"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class VersionState(StrEnum):
    """Of an immutable model version."""

    CANDIDATE = "candidate"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    PURGED = "purged"


class DerivedState(StrEnum):
    """Of a version that was derived elsewhere."""

    IN_USE = "in_use"
    WITHDRAWN = "withdrawn"  # with its parent; its owner owes a confirmation
    CONFIRMED = "confirmed"  # its owner says that it is out of use


class Derivation(StrEnum):
    """How a version was derived elsewhere."""

    FINE_TUNE = "fine_tune"
    DISTILLATION = "distillation"
    QUANTISATION = "quantisation"
    MERGE = "merge"
    OTHER = "other"


class JobKind(StrEnum):
    """What a job is for."""

    TRAIN = "train"
    UNLEARN = "unlearn"
    ASSESS = "assess"  # a dry run: how hard it would be, and which route it would take
    REFERENCES = "references"  # networks that are scored and destroyed
    CALIBRATE = "calibrate"  # trials on synthetic forget sets; their networks are destroyed
    CHECK = "check"  # a published version against a true retrain, which is destroyed


State = RequestState | ErasureState | JobState | VersionState | DerivedState

# From each state to those that may follow; the empty string stands before the first.
# The database holds the same table (state_edges) and refuses every other step.
EDGES: dict[str, dict[str, frozenset[str]]] = {
    "deletion_request": {
        "": frozenset({"received"}),
        "received": frozenset({"verifying", "accepted", "denied", "cancelled", "on_hold"}),
        "verifying": frozenset({"accepted", "denied", "cancelled", "on_hold"}),
        "accepted": frozenset(
            {"in_progress", "completed", "completed_no_data", "denied", "cancelled", "on_hold"}
        ),
        "in_progress": frozenset({"accepted", "completed", "cancelled", "on_hold"}),
        "on_hold": frozenset({"accepted", "in_progress", "denied", "cancelled"}),
    },
    "erasure": {
        "": frozenset({"pending"}),
        "pending": frozenset({"batched", "cleared", "cancelled", "on_hold"}),
        "batched": frozenset({"pending", "forgotten", "cancelled"}),
        "on_hold": frozenset({"pending", "cancelled"}),
    },
    "job": {
        "": frozenset({"queued"}),
        "queued": frozenset({"training", "assessing", "failed", "cancelled"}),
        "training": frozenset({"publishing", "failed", "cancelled"}),
        "assessing": frozenset(
            {"awaiting_approval", "unlearning", "auditing", "succeeded", "failed", "cancelled"}
        ),
        "awaiting_approval": frozenset(
            {"unlearning", "auditing", "publishing", "failed", "cancelled"}
        ),
        "unlearning": frozenset({"auditing", "failed", "cancelled"}),
        "auditing": frozenset(
            {"unlearning", "awaiting_approval", "publishing", "failed", "cancelled"}
        ),
        "publishing": frozenset({"succeeded", "training", "failed", "cancelled"}),
    },
    "model_version": {
        "": frozenset({"candidate"}),
        "candidate": frozenset({"published", "purged"}),
        "published": frozenset({"withdrawn"}),
        "withdrawn": frozenset({"purged"}),
    },
    "derived_version": {
        "": frozenset({"in_use", "withdrawn"}),
        "in_use": frozenset({"withdrawn", "confirmed"}),
        "withdrawn": frozenset({"confirmed"}),
    },
}

ACTIVE_JOB_STATES = (
    JobState.QUEUED,
    JobState.TRAINING,
    JobState.ASSESSING,
    JobState.AWAITING_APPROVAL,
    JobState.UNLEARNING,
    JobState.AUDITING,
    JobState.PUBLISHING,
)
# Worked on when nothing else is due.
LOW_PRIORITY = (JobKind.REFERENCES, JobKind.CALIBRATE, JobKind.CHECK)
# A worker may take a job in any active state but the one in which it waits for a person.
CLAIMABLE_JOB_STATES = tuple(s for s in ACTIVE_JOB_STATES if s is not JobState.AWAITING_APPROVAL)
OPEN_ERASURE_STATES = (ErasureState.PENDING, ErasureState.BATCHED, ErasureState.ON_HOLD)
FINAL_REQUEST_STATES = (
    RequestState.COMPLETED,
    RequestState.COMPLETED_NO_DATA,
    RequestState.DENIED,
    RequestState.CANCELLED,
)
