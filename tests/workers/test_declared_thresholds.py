"""An audit judges by thresholds that were in the ledger before anything was run."""

import json
from dataclasses import asdict
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.log_tables import LedgerEntry, LedgerPayload
from models.auditing.verdict import Thresholds
from tests.reports import stages
from tests.workers.test_judges_apart import Telling
from workers import steps
from workers.desk import Desk


def test_what_the_audit_is_given_is_what_the_entry_before_the_run_says(session: Session) -> None:
    job = stages.carried(session, stages.claimed(session), "begin", "assess")
    entered = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.kind == "job.unlearning", LedgerEntry.row_id == job.id)
    ).one()
    desk = Telling(session, job, stages.answers())

    for name in ("unlearn", "audit"):
        getattr(steps, name)(cast(Desk, desk))

    given = desk.given["audit"]["thresholds"]
    assert given == json.loads(entered)["audit_thresholds"]
    assert Thresholds(**given) == Thresholds()
    assert asdict(Thresholds(**given)) == given
