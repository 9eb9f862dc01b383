"""Refusals that are part of normal business: each with a stable code and an HTTP status."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Fault:
    """One place in the body that is wrong; never the value itself, it may name a person."""

    pointer: str  # JSON Pointer (RFC 6901) into the body
    code: str
    detail: str


class ServiceError(Exception):
    """The request cannot be carried out as it is.

    The first line of each kind's docstring is its title, for callers; the message is the detail.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    retry_seconds: int | None = None  # for what will be there soon
    challenge: ClassVar[str | None] = None  # for WWW-Authenticate

    def __init__(self, detail: str, *faults: Fault, retry_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults
        self.retry_seconds = retry_seconds or self.retry_seconds


class NotFound(ServiceError):
    """Nothing goes by that name or id."""

    status = 404
    code = "not_found"


class UnknownDataset(NotFound):
    """No dataset goes by that name."""

    code = "unknown_dataset"


class UnknownModel(NotFound):
    """No model goes by that name."""

    code = "unknown_model"


class UnknownVersion(NotFound):
    """The model has no such version."""

    code = "unknown_version"


class UnknownRequest(NotFound):
    """No deletion request has that id."""

    code = "unknown_request"


class UnknownJob(NotFound):
    """No job has that id."""

    code = "unknown_job"


class ReportNotReady(NotFound):
    """There is no report yet."""

    code = "report_not_ready"


class NoReceipt(NotFound):
    """There is no such receipt, and there will be none."""

    code = "no_receipt"


class NoCheckpoint(NotFound):
    """The ledger has not been signed yet."""

    code = "no_checkpoint"
    retry_seconds = 2


class Conflict(ServiceError):
    """The present state does not allow it."""

    status = 409
    code = "conflict"


class IllegalTransition(Conflict):
    """It is in a state from which what was asked for is not possible."""

    code = "illegal_transition"


class NoLiveVersion(Conflict):
    """The model has no live version yet."""

    code = "no_live_version"


class NothingToForget(Conflict):
    """The live version was trained on none of the samples."""

    code = "nothing_to_forget"


class AlreadyTrained(Conflict):
    """The model has a live version, so it needs no first training."""

    code = "already_trained"


class ReceiptNotReady(Conflict):
    """There is no such receipt yet."""

    code = "receipt_not_ready"
    retry_seconds = 2


class NameTaken(Conflict):
    """The name is taken already."""

    code = "name_taken"


class SubjectDiffers(Conflict):
    """A sample is already known as another subject's."""

    code = "subject_differs"


class WorkerAbsent(Conflict):
    """No live worker can run this recipe."""

    code = "worker_absent"


class KeyReused(ServiceError):
    """The Idempotency-Key was used for another body."""

    status = 422
    code = "idempotency_key_reused"


class KeyInUse(Conflict):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_key_in_use"
    retry_seconds = 1


class BadKey(ServiceError):
    """The Idempotency-Key is malformed."""

    code = "bad_idempotency_key"


class ChangedMeanwhile(ServiceError):
    """It is no longer what If-Match names; read it again."""

    status = 412
    code = "changed_meanwhile"


class Gone(ServiceError):
    """The version was withdrawn; a later one has taken its place."""

    status = 410
    code = "version_withdrawn"


class ReceiptShredded(ServiceError):
    """What the receipt states was shredded."""

    status = 410
    code = "receipt_shredded"


class BodyTooLarge(ServiceError):
    """The body is larger than this service takes."""

    status = 413
    code = "body_too_large"


class UnsupportedMediaType(ServiceError):
    """The body's Content-Type is not one that this path reads."""

    status = 415
    code = "unsupported_media_type"


class Unprocessable(ServiceError):
    """The body was understood and refused."""

    status = 422
    code = "invalid_body"


class UnknownRecipe(Unprocessable):
    """No live worker announces that recipe."""

    code = "unknown_recipe"


class UnknownSamples(Unprocessable):
    """Some sample ids are not in the dataset."""

    code = "unknown_samples"


class DuplicateSamples(Unprocessable):
    """A sample id appears twice."""

    code = "duplicate_samples"


class ForeignSamples(Unprocessable):
    """A sample belongs to another subject than the one named."""

    code = "foreign_samples"


class CoversEverything(Unprocessable):
    """Nothing would remain for a model to be trained on."""

    code = "covers_everything"


class EmptyTrainingSet(Unprocessable):
    """Nothing is left to train on."""

    code = "empty_training_set"


class ForgottenSamples(Unprocessable):
    """A training set may not hold samples that were forgotten."""

    code = "forgotten_samples"


class BadLine(Unprocessable):
    """A line of the file cannot be read."""

    code = "bad_line"


class BadWeights(Unprocessable):
    """The weights are not a safetensors file."""

    code = "bad_weights"


class WeightsDoNotFit(Unprocessable):
    """The weights do not fit the recipe's network."""

    code = "weights_do_not_fit"


class OutOfRange(Unprocessable):
    """The ledger has no such index or size."""

    code = "out_of_range"


class BadPageToken(ServiceError):
    """The page token is not one that this service gave out."""

    code = "bad_page_token"


class Unavailable(ServiceError):
    """The database does not answer, or was asked for two things at once; repeat the request."""

    status = 503
    code = "unavailable"


class Crashed(ServiceError):
    """The service failed; the request need not be at fault."""

    status = 500
    code = "internal_error"


def all_kinds(root: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    """Every kind of refusal, for the documentation and its test."""
    return [root, *(kind for child in root.__subclasses__() for kind in all_kinds(child))]
