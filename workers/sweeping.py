"""Looks at what is due and rings for it: the only recovery path; a lost message costs seconds."""

from uuid import UUID

import structlog

from app.db import transaction
from app.ledger import batching, jobs, versions
from app.queue import RUN_JOB, ring_after_commit
from workers.station import Station

log = structlog.get_logger()


def sweep(station: Station) -> None:
    """Ring for every model that has erasures to batch and every job that nobody works on."""
    now = station.clock()
    with transaction(station.sessions) as session:
        waiting = batching.models_with_pending(session, now=now)
        due = jobs.due(session, now=now)
    for model_id in waiting:
        consider_model(station, model_id)
    for job_id in due:
        station.queue.ring(RUN_JOB, job_id)
    purge(station)


def consider_model(station: Station, model_id: UUID) -> None:
    """Make a job of a model's pending erasures if it is time."""
    with transaction(station.sessions) as session:
        job = batching.batch(session, model_id, now=station.clock())
        if job is not None:
            ring_after_commit(session, station.queue, RUN_JOB, job.id)
            log.info("batched", job=str(job.id), samples=len(job.forget_set))


def purge(station: Station) -> None:
    """Remove the weights of versions that were withdrawn longer ago than their policy keeps them.

    The bytes go first: a crash in between leaves an entry to be written, never weights to be found.
    """
    with transaction(station.sessions) as session:
        for version in versions.to_purge(session, now=station.clock()):
            if not versions.digest_in_use(session, version):
                station.store.purge(version.weights_digest)
            versions.purge(session, version, now=station.clock())
