"""Looks at what is due and rings for it: the only recovery path; a lost message costs seconds."""

from datetime import datetime
from uuid import UUID

import structlog

from app import crashing
from app.db import transaction
from app.law import add_months
from app.ledger import (
    batching,
    clocks,
    identifications,
    jobs,
    rates,
    references,
    retention,
    stored_weights,
    training_logs,
    versions,
)
from app.queue import RUN_JOB, ring_after_commit
from workers import tidying, webhooks, work_folders
from workers.station import Station

log = structlog.get_logger()
SHREDDED_AT_ONCE = 100  # requests in one sweep; the next takes more


def sweep(station: Station) -> None:
    """Ring for every model that has erasures to batch and every job that nobody works on."""
    now = station.clock()
    with transaction(station.sessions) as session:
        waiting = batching.models_with_pending(session, now=now)
        due = jobs.due(session, now=now)
    crashing.at("sweep.before_ring")
    for model_id in waiting:
        consider_model(station, model_id)
    for job_id in due:
        station.queue.ring(RUN_JOB, job_id)
    crashing.at("sweep.after_ring")
    lapse(station)
    escalate(station)
    purge(station)
    tidying.remove_unpublished(station)
    shred(station)
    work_folders.clear(station)
    webhooks.address(station)


def consider_model(station: Station, model_id: UUID) -> None:
    """Make a job of a model's pending erasures if it is time."""
    with transaction(station.sessions) as session:
        job = batching.batch(session, model_id, now=station.clock())
        if job is not None:
            ring_after_commit(session, station.queue, RUN_JOB, job.id)
            log.info("batched", job=str(job.id), samples=len(job.forget_set))
        crashing.at("batch.before_commit")
    crashing.at("batch.after_commit")


def lapse(station: Station) -> None:
    """End requests whose person was not identified in time, and drop allowances that are whole."""
    now = station.clock()
    with transaction(station.sessions) as session:
        rates.forget(session.connection(), now=now)
        late = identifications.overdue(session, now=now, limit=SHREDDED_AT_ONCE)
    for request_id in late:
        with transaction(station.sessions) as session:
            if identifications.lapse(session, request_id, now=now):
                log.info("lapsed", request=str(request_id))


def escalate(station: Station) -> None:
    """Have the ledger and the log tell, once each, of due dates near, past or out of reach."""
    with transaction(station.sessions) as session:
        marked = clocks.escalate(session, now=station.clock())
    for request_id, urgency in marked:
        log.warning(urgency.value, request=str(request_id))


def purge(station: Station) -> None:
    """Remove the weights of versions that were withdrawn longer ago than their policy keeps them.

    Each in a transaction of its own: a store that refuses one does not hold up the others.
    """
    with transaction(station.sessions) as session:
        due = versions.to_purge(session, now=station.clock())
    for version_id in due:
        try:
            purge_version(station, version_id)
        except OSError:
            log.exception("not_purged", version=str(version_id))


def purge_version(station: Station, version_id: UUID) -> None:
    """Remove one version's weights, and state it.

    The bytes go first: a crash in between leaves an entry to be written, never weights to be found.
    """
    with transaction(station.sessions) as session:
        version = versions.lock_withdrawn(session, version_id)
        if version is None:
            return
        digest = version.weights_digest
        stored_weights.lock_digest(session, digest)
        kept = stored_weights.in_use(session, digest, besides=version)
        if not kept:
            station.store.purge(digest)
        crashing.at("purge.between")
        versions.purge(session, version, now=station.clock(), weights_kept=kept)
    crashing.at("purge.after_commit")


def shred(station: Station) -> None:
    """Forget who asked, and for what, where the time for which that is kept is over.

    What references said, and trainings noted, goes when the generation has ended.
    """
    before = months_before(station.clock(), station.settings.retention_months)
    with transaction(station.sessions) as session:
        overdue = retention.overdue(session, before=before, limit=SHREDDED_AT_ONCE)
        retention.shred_answers(session, before=before)
        retention.shred_dry_runs(session, before=before)
        references.drop_ended(session)
        training_logs.drop_ended(session)
    for request_id in overdue:
        with transaction(station.sessions) as session:
            if retention.shred(session, request_id, now=station.clock()):
                log.info("shredded", request=str(request_id))


def months_before(moment: datetime, months: int) -> datetime:
    """The same day number and time so many calendar months earlier, else that month's last day."""
    return datetime.combine(add_months(moment.date(), -months), moment.timetz())
