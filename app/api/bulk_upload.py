"""One upload of deletion requests: read, resolved together, submitted together."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO

from sqlalchemy.orm import Session

from app.api import bulk_lines, submissions
from app.api.bulk_lines import Report
from app.api.guard import Caller
from app.api.submissions import DeletionRequestCreate
from app.config import Settings
from app.errors import Fault, ServiceError
from app.ledger import acts, identifications, intake
from app.ledger.requests import Submission
from app.ledger.tables import DeletionRequest


@dataclass
class Upload:
    """What was read of it so far, by line, and what is wrong with it."""

    session: Session
    settings: Settings
    caller: Caller
    now: datetime
    report: Report = field(default_factory=Report)
    at_once: dict[int, Submission] = field(default_factory=dict)
    to_verify: dict[int, Submission] = field(default_factory=dict)

    def read(self, file: IO[bytes], content_type: str) -> None:
        """Read all lines, and refuse them all if any cannot be taken. Raises BadLines."""
        for number, body in bulk_lines.read(file, content_type, self.report):
            try:
                self.add(number, body)
            except ServiceError as refusal:
                self.note(number, refusal)
        self.resolve()
        self.note_all(self.at_once, intake.refusals(self.session, list(self.at_once.values())))
        everything = self.at_once | self.to_verify
        names = [each.external_id for each in everything.values()]
        self.note_all(everything, intake.names_taken(self.session, names))
        self.report.refuse()

    def add(self, number: int, body: DeletionRequestCreate) -> None:
        """One line; whose samples they are is looked up later, for all at once."""
        key = submissions.hashed(body.subject, self.settings)
        waits = submissions.waits(body, self.settings, self.caller)
        told = submissions.submission(
            self.session,
            body,
            key,
            self.settings,
            now=self.now,
            samples=None if body.sample_ids else {},
        )
        (self.to_verify if waits else self.at_once)[number] = told

    def resolve(self) -> None:
        """Look up the samples of the subjects."""
        keys = {each.subject_key for each in self.at_once.values() if not each.by_samples}
        found = intake.samples_of_subjects(self.session, [key for key in keys if key])
        for number, told in self.at_once.items():
            if not told.by_samples and told.subject_key in found:
                self.at_once[number] = replace(told, samples=found[told.subject_key])

    def note_all(self, lines: Iterable[int], refusals: Iterable[tuple[int, ServiceError]]) -> None:
        """What is wrong with some of these lines, by their places."""
        numbers = list(lines)
        for place, why in refusals:
            self.note(numbers[place], why)

    def note(self, number: int, refusal: ServiceError) -> None:
        """What is wrong with one line."""
        for fault in refusal.faults or (Fault("", refusal.code, refusal.detail),):
            self.report.note(number, fault)

    def submit(self) -> list[DeletionRequest]:
        """Submit what was read."""
        made, _ = intake.submit_all(self.session, list(self.at_once.values()), now=self.now)
        lapses_at = self.now + timedelta(days=self.settings.verify_days)
        for told in self.to_verify.values():
            made.append(
                identifications.submit(self.session, told, lapses_at=lapses_at, now=self.now)
            )
        acts.note(self.session, (each.id for each in made), self.caller.holder, now=self.now)
        return made
