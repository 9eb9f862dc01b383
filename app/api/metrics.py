"""What Prometheus is told: the ledger as it stands when asked, and this process's own counters."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, product

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.config import Settings
from app.ledger import announcements, measures, model_lines, signing_refusals
from app.ledger.states import ACTIVE_JOB_STATES, JobKind, JobState
from app.ledger.tables import Model

router = APIRouter(tags=["health"])
LIMITS = (*map(str, measures.BUCKETS), "+Inf")


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(session: SessionDep, settings: SettingsDep, now: NowDep) -> Response:
    """The ledger's state and this process's counters, in Prometheus' text format.

    Every process of the API says the same of the ledger: ask one of them. What each metric means
    and which alerts rest on it: docs/operations.md.
    """
    ours = CollectorRegistry()
    ours.register(Ledger(session, settings, now))
    return Response(generate_latest(ours) + generate_latest(), media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True, eq=False)
class Ledger(Collector):
    """Reads everything anew for each scrape: the database is the only place where state lies."""

    session: Session
    settings: Settings
    now: datetime

    def collect(self) -> Iterator[Metric]:
        yield from backlog(self.session, self.now)
        lines = model_lines.listed(self.session)
        yield from work(self.session, lines)
        yield from log(self.session, self.now)
        yield from means(self.session, lines, self.settings, self.now)


def backlog(session: Session, now: datetime) -> Iterator[Metric]:
    """What waits, for how long, and how far off the due dates are."""
    owed = gauge("lacuna_erasures_open", "Erasures that are owed.", "model")
    slack = gauge("lacuna_due_slack_seconds", "To the earliest due date; below 0: past.", "model")
    age = gauge(
        "lacuna_queue_age_seconds",
        "Waiting time of the oldest: erasures for a job, jobs for a worker.",
        "model",
        "queue",
    )
    for each in measures.backlogs(session):
        owed.add_metric([each.model], each.erasures)
        slack.add_metric([each.model], (each.due_at - now).total_seconds())
        if each.pending_since is not None:
            waited = (now - each.pending_since).total_seconds()
            age.add_metric([each.model, "erasures"], waited)
    for model, since in measures.unclaimed_since(session, now=now).items():
        age.add_metric([model, "jobs"], (now - since).total_seconds())
    late = gauge("lacuna_requests_overdue", "Open requests whose due date is past.")
    late.add_metric([], measures.overdue(session, now=now))
    missed = gauge("lacuna_requests_predicted_late", "Open requests that will miss their due date.")
    missed.add_metric([], measures.predicted_late(session, now=now))
    yield from (owed, slack, age, late, missed)


def work(session: Session, lines: Sequence[Model]) -> Iterator[Metric]:
    """What jobs do, how long it takes, and what it costs."""
    yield from progress(session, lines)
    sent_back, carried_out = measures.escalations(session), measures.forgotten(session)
    escalated = counter("lacuna_jobs_escalated", "Jobs that were retrained after all.", "model")
    forgotten = counter("lacuna_erasures_forgotten", "Erasures that were carried out.", "model")
    for line in lines:
        escalated.add_metric([line.name], sent_back.get(line.name, 0))
        forgotten.add_metric([line.name], carried_out.get(line.name, 0))
    took = counter(
        "lacuna_compute_seconds", "Measuring, forgetting and auditing.", "model", "device"
    )
    for model, device, seconds in measures.compute(session):
        took.add_metric([model, device or "none"], seconds)
    yield from (escalated, forgotten, took, durations(session))


def progress(session: Session, lines: Sequence[Model]) -> Iterator[Metric]:
    """How many jobs go on, and how many have ended so; nought is told too, to rise from."""
    found = {(model, kind, state): n for model, kind, state, n in measures.jobs_by_state(session)}
    active = gauge("lacuna_jobs_active", "Jobs that have not ended.", "model", "kind", "state")
    ended = counter("lacuna_jobs_ended", "Jobs that have ended.", "model", "kind", "state")
    for line, kind, state in product(lines, JobKind, JobState):
        family = active if state in ACTIVE_JOB_STATES else ended
        family.add_metric([line.name, kind, state], found.get((line.name, kind, state), 0))
    yield from (active, ended)


def durations(session: Session) -> Metric:
    """How long jobs stayed in each state."""
    family = HistogramMetricFamily(
        "lacuna_job_phase_seconds",
        "How long jobs stayed in a state that they have left.",
        labels=["kind", "phase"],
    )
    for (kind, phase), took in measures.phases(session).items():
        buckets = list(zip(LIMITS, accumulate(took.counts), strict=True))
        family.add_metric([kind, phase], buckets, took.total)
    return family


def log(session: Session, now: datetime) -> Iterator[Metric]:
    """How far the sequencer is behind, and whether it refuses."""
    waiting = gauge("lacuna_sequencer_waiting_entries", "Entries that are not in the tree yet.")
    waiting.add_metric([], measures.unsequenced(session))
    lag = gauge("lacuna_sequencer_lag_seconds", "How long the oldest of them waits, at most.")
    since = measures.unsequenced_since(session)
    lag.add_metric([], 0.0 if since is None else max(0.0, (now - since).total_seconds()))
    unsigned = gauge(
        "lacuna_ledger_unsigned", "1: this keeps the ledger from being signed.", "code"
    )
    for refusal in signing_refusals.standing(session):
        unsigned.add_metric([refusal.code], 1)
    yield from (waiting, lag, unsigned)


def means(
    session: Session, lines: Sequence[Model], settings: Settings, now: datetime
) -> Iterator[Metric]:
    """Who is there to work, and the room there is to keep what is made."""
    alive = announcements.alive(session, now=now, gone_seconds=settings.worker_gone_seconds)
    workers = gauge("lacuna_workers", "Live workers that can run the model's recipe.", "model")
    for line in lines:
        workers.add_metric([line.name], sum(line.recipe in each.recipes for each in alive))
    room = gauge("lacuna_data_free_bytes", "Free space where LACUNA_DATA_DIR lies.")
    room.add_metric([], shutil.disk_usage(settings.data_dir).free)
    yield from (workers, room)


def gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=labels)


def counter(name: str, meaning: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=labels)
