"""The Celery application: a doorbell and a pool of processes. The ledger is the queue."""

import os
from threading import Thread

from celery import Celery
from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from app import tracing
from app.config import settings
from app.observability import configure_logging
from app.queue import CHORES, JOBS, broker_options
from workers import announcing, nursery
from workers.station import NAME

SWEEP = "lacuna.sweep"
SEQUENCE = "lacuna.sequence"
TIDY = "lacuna.tidy"
config = settings()

celery = Celery("lacuna", broker=config.redis_url, include=["workers.tasks"])
celery.conf.update(
    broker_transport_options=broker_options(),
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    task_default_queue=CHORES,
    # A message is a hint: losing it or getting it twice is harmless, so it is acknowledged early
    # and redelivery after the visibility timeout finds nothing to claim.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    beat_schedule={
        "sweep": {
            "task": SWEEP,
            "schedule": config.sweep_seconds,
            # A sweep that waited for longer than this has been overtaken by the next.
            "options": {"queue": CHORES, "expires": 2 * config.sweep_seconds},
        },
        "sequence": {
            "task": SEQUENCE,
            "schedule": config.sequence_seconds,
            "options": {"queue": CHORES, "expires": 2 * config.sequence_seconds},
        },
        "tidy": {
            "task": TIDY,
            "schedule": config.tidy_seconds,
            "options": {"queue": CHORES, "expires": config.tidy_seconds},
        },
    },
)


@setup_logging.connect
def log_as_json(**_: object) -> None:
    """Celery's own log lines stay off; ours are JSON."""
    configure_logging()


@celeryd_init.connect
def be_called(sender: str, **_: object) -> None:
    """Several workers of one machine have a name each, such as worker1@host."""
    os.environ[NAME] = sender


def takes_jobs() -> bool:
    """Whether this program was told to consume from their queue."""
    return JOBS in celery.amqp.queues.consume_from


@worker_process_init.connect
def load_ahead(**_: object) -> None:
    """A pool process that takes jobs has its nursery before the first of them comes."""
    if takes_jobs():
        Thread(target=nursery.own, daemon=True).start()


@worker_ready.connect
def say_so(**_: object) -> None:
    """A worker that takes jobs announces what it can run."""
    if takes_jobs():
        announcing.begin()


@worker_shutdown.connect
def fall_silent(**_: object) -> None:
    """A worker that ends is not heard of any more."""
    announcing.end()


@worker_process_shutdown.connect
def send_spans(**_: object) -> None:
    """A pool process ends without what Python does at its end."""
    tracing.flush()
