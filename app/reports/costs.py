"""What a job took, beside what a retrain was predicted to take."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.ledger.tables import Job
from app.reports.measured import Audit, Decision, Run


@dataclass(frozen=True)
class Costs:
    """What the job took, in seconds, beside what a retrain was predicted to take."""

    assess: float
    """Measuring hardness."""
    runs: float
    """All runs, those that an audit sent back included."""
    audits: float
    """All audits, references left out."""
    total: float
    """The three together."""
    retrain: float
    """What a retrain was predicted to take."""
    share: float | None
    """`total` over `retrain`."""
    reference: float | None
    """Spent on retrained networks to compare with: the price of knowing, no part of `total`."""


def costs_of(
    job: Job, decision: Decision | None, runs: Sequence[Run | None], audit: Audit | None
) -> Costs | None:
    """What was spent so far; None before anything was decided."""
    if decision is None or job.hardness is None:
        return None
    made = [run for run in runs if run]
    audits = [one.audit for one in made if one.audit] + ([audit] if audit else [])
    assess = float(job.hardness["seconds"])
    run_seconds, audit_seconds = (sum(one.seconds for one in group) for group in (made, audits))
    references = [one.reference_seconds for one in audits if one.reference_seconds is not None]
    total = assess + run_seconds + audit_seconds
    return Costs(
        assess=assess,
        runs=run_seconds,
        audits=audit_seconds,
        total=total,
        retrain=decision.retrain_seconds,
        share=total / decision.retrain_seconds if decision.retrain_seconds else None,
        reference=sum(references) if references else None,
    )
