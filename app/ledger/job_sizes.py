"""How much a job has to forget and to keep: told for good, also once the samples are shredded."""

from app.bitmap import Bitmap
from app.ledger.tables import Job


def to_forget(job: Job) -> int:
    """How many samples the job was to forget."""
    return len(job.forget_set) if job.forget_size is None else job.forget_size


def to_keep(job: Job) -> int:
    """How many samples it was to keep."""
    return len(job.training_set) if job.retain_size is None else job.retain_size


def shred(job: Job) -> None:
    """Forget which samples the job was to forget, and not how many."""
    job.forget_size, job.forget_set = to_forget(job), Bitmap()


def shred_dry_run(job: Job) -> None:
    """Also of what it would have kept: that is the live version's training set less these."""
    shred(job)
    job.retain_size, job.training_set = to_keep(job), Bitmap()
