"""How a job's network was made: settings, policy, software, hardware; as its receipts state it."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.evidence.canonical import digest
from app.ledger.statements import configuration
from app.ledger.states import JobKind
from app.ledger.tables import Job


@dataclass(frozen=True)
class MadeWith:
    """Everything that somebody needs to know who would make the same again."""

    configuration: Mapping[str, object]
    """The recipe, the method's settings, the policy, the audit's thresholds."""
    configuration_sha256: str
    """SHA-256 of that as canonical JSON; receipts of the job's requests state the same."""
    software: Mapping[str, str] | None
    """Lacuna, Python and torch of the worker; null where nothing was run."""
    hardware: Mapping[str, str | int] | None
    """The device, the machine and how many threads; null where nothing was run."""


def made_with(job: Job) -> MadeWith | None:
    """Of the run on the decided route; None before anything was decided or trained."""
    run = job.run or {}
    if job.kind is not JobKind.TRAIN and job.decision is None:
        return None
    if job.decision and run.get("route", job.decision["route"]) != job.decision["route"]:
        return None  # an audit sent this run back; the retrain is still to come
    made = run.get("made_with", {})
    told = configuration(job.model, job)
    return MadeWith(
        configuration=told,
        configuration_sha256=digest(told).hex(),
        software=made.get("software"),
        hardware=made.get("hardware"),
    )
