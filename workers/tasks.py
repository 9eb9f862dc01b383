"""Celery tasks: thin over plain functions that know nothing of Celery."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from celery import current_task

from app import tracing
from app.queue import CONSIDER_MODEL, POST_MESSAGES, RUN_JOB
from workers import running, sequencing, sweeping, tidying, webhooks
from workers.celery_app import SEQUENCE, SWEEP, TIDY, celery
from workers.station import station


@celery.task(name=RUN_JOB)
def run_job(job_id: str) -> None:
    """Run one job."""
    with heard("run_job", job=job_id):
        running.run_job(station(), UUID(job_id))


@celery.task(name=CONSIDER_MODEL)
def consider_model(model_id: str) -> None:
    """Batch one model's pending erasures if it is time."""
    with heard("consider_model", model=model_id):
        sweeping.consider_model(station(), UUID(model_id))


@celery.task(name=POST_MESSAGES)
def post_messages(webhook_id: str) -> None:
    """Tell one webhook what waits for it."""
    with heard("post_messages", webhook=webhook_id):
        webhooks.post_messages(station(), UUID(webhook_id), webhooks.poster(station()))


@celery.task(name=SWEEP)
def sweep() -> None:
    """Ring for everything that is due."""
    sweeping.sweep(station())


@celery.task(name=SEQUENCE)
def sequence() -> None:
    """Give new ledger entries their index and sign the tree."""
    sequencing.sequence(station())


@celery.task(name=TIDY)
def tidy() -> None:
    """Look for weights in the store that no row tells of."""
    tidying.tidy(station())


@contextmanager
def heard(name: str, **row: str) -> Iterator[None]:
    """A span of the trace in which the bell was rung, or of a new one."""
    headers = current_task.request.headers or {}
    with tracing.span(name, within=headers.get(tracing.TRACEPARENT), **row):
        yield
