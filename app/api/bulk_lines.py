"""Reads deletion requests from NDJSON or CSV, line by line, and notes all that is wrong."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO, Any

from pydantic import ValidationError

from app.api import import_formats
from app.api.import_formats import CSV
from app.api.parquet_rows import Lines
from app.api.problems import fault_of
from app.api.submissions import DeletionRequestCreate
from app.errors import Fault, ServiceError

MOST_LINES = 100_000
SHOWN = 1_000  # faults in one refusal


class BadLines(ServiceError):
    """Some lines cannot be taken, so none was."""

    status = 422
    code = "bad_lines"


class TooManyLines(ServiceError):
    """The upload has more lines than one upload may have."""

    status = 413
    code = "too_many_lines"


@dataclass
class Report:
    """What is wrong with an upload: all of it counted, the first of it shown."""

    count: int = 0
    shown: list[Fault] = field(default_factory=list)
    lines: int = 0

    def note(self, number: int, fault: Fault) -> None:
        """A fault of one line; its place inside of the line follows the line's number."""
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(Fault(f"/{number}{fault.pointer}", fault.code, fault.detail))

    def refuse(self) -> None:
        """Raise BadLines if there was anything to note."""
        if self.count:
            raise BadLines(
                f"{self.count} faults in {self.lines} lines, of which the first "
                f"{len(self.shown)} are listed; nothing was submitted",
                *self.shown,
            )


def read(
    file: IO[bytes], content_type: str, report: Report
) -> Iterator[tuple[int, DeletionRequestCreate]]:
    """The requests of an upload with the numbers of their lines; the others are noted."""
    with closing(rows(file, content_type)) as lines:
        for number, fields in lines:
            report.lines += 1
            if report.lines > MOST_LINES:
                raise TooManyLines(f"an upload has at most {MOST_LINES} lines; send several")
            try:
                yield number, DeletionRequestCreate.model_validate(fields)
            except ValidationError as error:
                for place in error.errors(include_input=False, include_url=False):
                    # FastAPI's findings begin with where the body was; these have no such step.
                    report.note(number, fault_of({**place, "loc": ("", *place["loc"])}))


def rows(file: IO[bytes], content_type: str) -> Lines:
    """Numbered values, one a line."""
    with closing(import_formats.text_lines(file, content_type)) as lines:
        yield from map(of_csv, lines) if import_formats.media_type(content_type) == CSV else lines


def of_csv(line: tuple[int, dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """A CSV line as JSON would have it: an empty field is none, sample ids stand between blanks."""
    number, fields = line
    # What stands beyond the named columns has no name, and is refused under this one.
    given = {name or "?": value for name, value in fields.items() if value not in ("", None)}
    if "sample_ids" in given:
        given["sample_ids"] = given["sample_ids"].split()
    return number, given
