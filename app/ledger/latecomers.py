"""Requests that are accepted while a job is under way: a retrain leaves their samples out too.

Only what is trained anew can leave them out: the other routes start from weights that saw them.
What is accepted after the retrain has begun is for the next job, as ever.
"""

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import datasets
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job


def about_to_retrain(job: Job) -> bool:
    """Whether the job's next step trains a successor from fresh weights."""
    return (
        job.kind is JobKind.UNLEARN
        and job.state is JobState.UNLEARNING
        and job.decision is not None
        and job.decision["route"] == "retrain"
    )


def samples(session: Session, job: Job) -> Bitmap:
    """What the job would train on although somebody has asked since to have it forgotten.

    Nothing, where nothing else would remain to train on: their erasures wait for a person then.
    """
    late = job.training_set & datasets.tombstones(session, job.model.dataset_id)
    return Bitmap() if late == job.training_set else late


def leave_out(session: Session, job: Job) -> None:
    """Take those samples out of what the job trains on; for whoever has just claimed it.

    Their erasures stay pending. They are cleared when a version that never saw them is live.
    """
    job.training_set -= samples(session, job)
