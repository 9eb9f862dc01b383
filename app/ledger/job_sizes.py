"""How much a job has to forget and to keep: told for good, also once the samples are shredded."""

from typing import Any

from app.bitmap import Bitmap
from app.ledger.tables import Job


def to_forget(job: Job) -> int:
    """How many samples the job was to forget."""
    return len(job.forget_set) if job.forget_size is None else job.forget_size


def to_keep(job: Job) -> int:
    """How many samples it was to keep."""
    return len(job.training_set) if job.retain_size is None else job.retain_size


def shred(job: Job) -> None:
    """Forget which samples the job was to forget, and not how many.

    Notes of runs go too: RUM's give a digest of each group's ids, which whoever guesses these ids
    could test.
    """
    job.forget_size, job.forget_set = to_forget(job), Bitmap()
    if job.run is not None:
        earlier = [without_notes(run) for run in job.run.get("earlier", [])]
        job.run = without_notes(job.run) | ({"earlier": earlier} if earlier else {})


def without_notes(run: dict[str, Any]) -> dict[str, Any]:
    """The record of a run without what its method noted."""
    return run | ({"trace": run["trace"] | {"notes": []}} if "trace" in run else {})


def shred_dry_run(job: Job) -> None:
    """Also of what it would have kept: that is the live version's training set less these."""
    shred(job)
    job.retain_size, job.training_set = to_keep(job), Bitmap()
