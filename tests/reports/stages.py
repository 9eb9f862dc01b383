"""Jobs brought to each stage by the workers' own steps, with measurements of a tiny network."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import numpy as np
import torch
from sqlalchemy.orm import Session
from torch import nn

from app.ledger import batching, endings, jobs
from app.ledger.tables import Job
from models.auditing.audit import audit
from models.auditing.riders import Canaries
from models.auditing.verdict import Thresholds
from models.hardness.measure import measure
from models.progress import silent
from models.unlearning import METHODS
from models.unlearning.retrain import retrain
from tests import factories
from tests.models import blobs
from workers import steps
from workers.circumstances import circumstances
from workers.desk import Desk

FORGOTTEN = 24
NO_CANARIES = Canaries(None, np.empty(0, np.int64), (), "the weights were trained elsewhere")
DIGEST = "ab" * 32
NOW = factories.NOW
NOBODY = UUID(int=0)


@dataclass
class FakeDesk:
    """A desk whose child answers with what it is given, and whose clock moves on by seconds."""

    session: Session
    job: Job
    answers: dict[str, Any]
    station: Any = field(init=False)
    assignment: Any = field(default_factory=lambda: SimpleNamespace(retrains=True))
    now: datetime = NOW

    def __post_init__(self) -> None:
        store = SimpleNamespace(verify=lambda digest: None)
        settings = SimpleNamespace(retry_seconds=60.0)
        self.station = SimpleNamespace(clock=self.clock, store=store, settings=settings)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    @contextmanager
    def held(self) -> Iterator[tuple[Session, Job]]:
        yield self.session, jobs.get(self.session, self.job.id)
        self.session.flush()

    def ask(self, phase: str, **_: object) -> dict[str, Any]:
        return deepcopy(self.answers[phase])

    def keep(self, name: str, digest: str) -> None:
        """Nothing is stored."""

    def out(self, name: str) -> Path:
        return Path(name)

    def laid(self, name: str, facts: object) -> str:
        return name

    def fetched(self, digest: str) -> str:
        return digest


def plain(value: Any) -> Any:
    """As it comes through the wire and the database."""
    return json.loads(json.dumps(value, allow_nan=False))


@cache
def hardness() -> Any:
    found = measure(
        blobs.trained(), blobs.make_split(FORGOTTEN), blobs.recipe, seed=0, progress=silent
    )
    return plain(asdict(found))


@cache
def retrained(seed: int) -> nn.Module:
    split = blobs.make_split(FORGOTTEN)
    return retrain(blobs.trained(), split, blobs.recipe, seed=seed, progress=silent).network


def audited(route: str, references: int) -> Any:
    """An audit of a retrained network, beside references of its kind; the caller's to change."""
    return deepcopy(audited_once(route, references))


@cache
def audited_once(route: str, references: int) -> Any:
    served, *others = (retrained(seed) for seed in range(1, references + 2))
    report = audit(
        blobs.trained(),
        served,
        blobs.make_split(FORGOTTEN),
        blobs.recipe.holdout().test,
        blobs.recipe,
        route=route,
        references=others,
        canaries=NO_CANARIES,
        seed=0,
        thresholds=Thresholds(),
        progress=silent,
    )
    spent = {
        "reference_seconds": 2.5 if references else None,
        "destroyed": [DIGEST] * references,
        "strata_forgotten": 4,
    }
    return plain(asdict(report) | spent)


def ran(route: str = "hamu", *, seconds: float = 1.5) -> Any:
    trace = {"stop": "forgotten", "steps": 12, "sample_passes": 4704, "columns": {}, "notes": []}
    facts = {"weights_digest": DIGEST, "movement": 0.04, "seconds": seconds, "trace": trace}
    made_with = plain(circumstances(METHODS["hamu"], torch.device("cpu")))
    return facts | {"logged": False, "made_with": made_with}


def answers(
    *, route: str = "hamu", verdict: str = "pass", references: int = 1, **other: Any
) -> dict[str, Any]:
    """What the child says in each phase."""
    return {
        "assess": {"hardness": hardness(), "retrain_seconds": 6.25, "audit_seconds": 0.5},
        "unlearn": ran(route),
        "audit": audited(route, references) | {"verdict": verdict},
    } | other


def queued(session: Session, *people: str, name: str = "faces", **policy: Any) -> Job:
    """A job for one request per person, on a model with one version."""
    dataset = factories.make_dataset(session, name)
    line = factories.make_model(session, dataset, name, **({"route": "hamu"} | policy))
    factories.make_version(session, line)
    for person in people or ("ada",):
        factories.make_request(session, person)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return job


def claimed(session: Session, *people: str, **policy: Any) -> Job:
    job = queued(session, *people, **policy)
    factories.claim(session, job)
    return job


def carried(session: Session, job: Job, *names: str, **given: Any) -> Job:
    """The job after these steps: begin, assess, unlearn, audit, publish."""
    desk = FakeDesk(session, job, answers(**given))
    for name in names:
        getattr(steps, name)(cast(Desk, desk))
    return job


def succeeded(session: Session, *people: str, **given: Any) -> Job:
    """A job that was unlearned, audited and published."""
    job = claimed(session, *people)
    return carried(session, job, "begin", "assess", "unlearn", "audit", "publish", **given)


def untouched(session: Session) -> Job:
    """A job that found nothing to do: its references say that nothing is owed."""
    measured = hardness()
    nothing = {"rule": "reference", "mean": 0.0, "spread": 1.0, "exposed": 0.0}
    shares = {"count": 20, "total": 0.1, "strata": {"0": 0.1}, "left": {"0": 180}}
    assessed = {
        "hardness": measured | {"deficit": measured["deficit"] | nothing, "shares": shares},
        "retrain_seconds": 6.25,
        "audit_seconds": 0.5,
    }
    job = claimed(session, route="auto")
    return carried(
        session, job, "begin", "assess", "audit", "publish", route="none", assess=assessed
    )


def trained(session: Session) -> Job:
    """A model's first training, published."""
    job = factories.make_training(session)
    factories.claim(session, job)
    made = {
        "weights_digest": DIGEST,
        "logged": False,
        "train_seconds": 3.5,
        "train_samples": 10,
        "scores": {"validation": 0.75, "test": 0.5},
    }
    return carried(session, job, "begin", "train", "publish", train=made)


def failed(session: Session, error: dict[str, Any]) -> Job:
    """A job that was given up for good."""
    job = carried(session, claimed(session), "begin")
    endings.fail_attempt(session, job, error, now=NOW, max_attempts=1, retry_seconds=60.0)
    return job
