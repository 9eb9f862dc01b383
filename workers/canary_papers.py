"""Tells the child, once it has unlearned, who rode along, and whom the riders are held against."""

from sqlalchemy.orm import Session

from app.ledger import datasets, riders, versions
from app.ledger.canaries import FEWEST
from app.ledger.canary_tables import Canary
from app.ledger.policy import Policy
from app.ledger.tables import Job
from workers.desk import Desk


def lay(desk: Desk, session: Session, job: Job) -> str:
    """A file with each canary's sample ids and side; without any, why nothing can be tested.

    Sides are those of `models.auditing.riders.Side`. Nothing of it is laid before the run.
    """
    window = riders.of_job(session, job.id)
    if not window:
        return desk.laid("canaries", {"canaries": [], "untested": why_none(session, job)})
    assert job.parent_version_id is not None
    parent = versions.by_id(session, job.parent_version_id)
    others = [row for row in riders.pool(session, parent).never_seen if row.job_id != job.id]
    told = [(row, "rides" if row.included else "out") for row in window]
    told += [(row, "bystander") for row in others]
    named = [{"side": side, "samples": names(session, job, row)} for row, side in told]
    return desk.laid("canaries", {"canaries": named, "untested": ""})


def names(session: Session, job: Job, row: Canary) -> list[str]:
    return datasets.ids_of(session, job.model.dataset_id, row.samples)


def why_none(session: Session, job: Job) -> str:
    """What the report says where no canary rides."""
    assert job.parent_version_id is not None
    parent = versions.by_id(session, job.parent_version_id)
    if riders.pool(session, parent).dealt:
        return "too few coins are left that no job has looked at; a retrain deals new ones"
    if parent.made_by == "uploaded" or not riders.lineage_jobs(session, parent):
        return "the weights were trained elsewhere, so that no coin decided who was trained on"
    if Policy.of(job.model.policy).canary_share == 0:
        return "the policy wants none"
    return (
        f"the policy's share of the samples is of fewer than {FEWEST} people, "
        "too few to tell anything"
    )
