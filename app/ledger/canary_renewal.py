"""Before a retrain: fresh coins for subjects that never had one, in the place of spent ones."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canaries, datasets, riders, versions
from app.ledger.canary_tables import CanaryDeal
from app.ledger.policy import Policy
from app.ledger.tables import Job


def renew(session: Session, job: Job, *, now: datetime) -> bool:
    """Fill the pool up to the policy's share; whether that took samples out of the training set.

    Once a job. Coins that nobody looked at stay as they fell: whoever was left out still is. Those
    that fall out now leave the training set of the retrain, and with it all later ones.
    """
    assert job.parent_version_id is not None
    if session.scalar(select(exists().where(CanaryDeal.job_id == job.id))):
        return False
    datasets.lock(session, job.model.dataset_id)  # no coin falls for those who are just asking
    known = riders.pool(session, versions.by_id(session, job.parent_version_id))
    if not known.dealt:
        return False  # trained elsewhere, or without canaries: the operator's word
    fresh = canaries.union([row.samples for row in known.fresh])
    share = Policy.of(job.model.policy).canary_share
    most = int(share * len(job.training_set)) - len(fresh)
    flipped = canaries.flip(
        session, job.model.dataset_id, eligible(session, job, fresh), most=max(most, 0)
    )
    canaries.deal(session, job.model, job, flipped, now=now)
    gone = canaries.left_out(flipped)
    job.training_set -= gone
    return bool(gone)


def eligible(session: Session, job: Job, fresh: Bitmap) -> Bitmap:
    """What the retrain would be trained on, less canaries and what was asked for meanwhile."""
    return job.training_set - fresh - datasets.tombstones(session, job.model.dataset_id)
