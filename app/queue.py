"""The doorbell: a Celery message that carries one id, sent after the commit."""

from typing import Protocol
from uuid import UUID

import structlog
from celery import Celery
from sqlalchemy import event
from sqlalchemy.orm import Session

from app import crashing, tracing

log = structlog.get_logger()

RUN_JOB = "lacuna.run_job"
CONSIDER_MODEL = "lacuna.consider_model"
POST_MESSAGES = "lacuna.post_messages"
JOBS = "jobs"  # long work, one at a time per worker
CHORES = "chores"  # moments: batching, sweeping
ERRANDS = "errands"  # waits for other people's servers: posting to webhooks
EXPIRES = 15.0  # seconds; a bell that nobody heard by then is rung anew by the sweep
HEARD_ON = {RUN_JOB: JOBS, POST_MESSAGES: ERRANDS}  # every other bell is a chore


class Queue(Protocol):
    """Whatever rings: Celery in earnest, a list in tests."""

    def ring(self, bell: str, row_id: UUID) -> None:
        """Tell the workers that this row may be due."""


class CeleryQueue:
    """Rings by sending a task by name; the producer does not know its consumers."""

    def __init__(self, broker: str) -> None:
        self.celery = Celery("lacuna", broker=broker)
        self.celery.conf.update(
            broker_transport_options=broker_options(),
            task_publish_retry=False,  # the sweep finds what a lost message would have told
            task_ignore_result=True,
        )

    def ring(self, bell: str, row_id: UUID) -> None:
        self.celery.send_task(
            bell,
            args=[str(row_id)],
            queue=HEARD_ON.get(bell, CHORES),
            expires=EXPIRES,
            headers=tracing.here(),
        )


def broker_options() -> dict[str, float]:
    """An answer never waits long for a broker that is away."""
    return {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}


def ring_after_commit(session: Session, queue: Queue, bell: str, row_id: UUID) -> None:
    """Ring once the row is durable; a lost message is found by the sweep."""

    def ring(_: Session) -> None:
        crashing.at("ring.before")
        try:
            queue.ring(bell, row_id)
        except Exception:
            log.exception("committed_but_not_announced", bell=bell, row=str(row_id))

    event.listen(session, "after_commit", ring, once=True)
