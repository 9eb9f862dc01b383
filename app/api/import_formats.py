"""Reads `sample_id, subject` lines from NDJSON, CSV or Parquet, one at a time."""

import csv
import io
import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import IO, Any

from app.api import parquet_rows
from app.api.parquet_rows import PARQUET, Lines
from app.errors import BadLine, Fault, UnsupportedMediaType
from app.ledger.imports import Row
from app.subjects import subject_key

NDJSON, CSV = "application/x-ndjson", "text/csv"
LONGEST_ID = 512
FIELDS = ("sample_id", "subject")


def rows(file: IO[bytes], content_type: str, pepper: str) -> Iterator[Row]:
    """The rows of an import; the subject is hashed before it goes any further."""
    if media_type(content_type) == PARQUET:
        opened = parquet_rows.rows(file, FIELDS)
    else:
        opened = text_lines(file, content_type, set(FIELDS))
    with closing(opened) as lines:  # before the file is, also where a line is refused
        for number, fields in lines:
            yield row(number, fields, pepper)


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def text_lines(file: IO[bytes], content_type: str, needed: AbstractSet[str] = frozenset()) -> Lines:
    """Numbered values of NDJSON or CSV. Raises BadLine where reading on makes no sense."""
    kind = media_type(content_type)
    if kind not in (NDJSON, CSV):
        raise UnsupportedMediaType(f"send Content-Type {NDJSON} or {CSV}")
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield from ndjson(text) if kind == NDJSON else comma_separated(text, needed)
    except UnicodeDecodeError as error:
        raise BadLine("the upload is not UTF-8; none of its lines was taken") from error
    finally:
        text.detach()  # the file is the caller's to close


def ndjson(text: io.TextIOBase) -> Iterator[tuple[int, Any]]:
    """Numbered JSON values, one a line; blank lines are passed over."""
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise bad(number, "not JSON") from error


def comma_separated(
    text: io.TextIOBase, needed: AbstractSet[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered CSV rows under a header line that names at least these columns (RFC 4180)."""
    reader = csv.DictReader(text, strict=True)
    try:
        if reader.fieldnames is None or not needed <= set(reader.fieldnames):
            raise bad(1, " ".join(["the first line must name the columns", *sorted(needed)]))
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise bad(reader.reader.line_num, "not CSV") from error


def row(number: int, fields: Any, pepper: str) -> Row:
    """One checked line."""
    if not isinstance(fields, dict):
        raise bad(number, "not an object")
    sample_id, subject = (fields.get(name) for name in FIELDS)
    if not isinstance(sample_id, str) or not 0 < len(sample_id) <= LONGEST_ID:
        raise bad(number, f"sample_id must be a string of 1 to {LONGEST_ID} characters")
    if not isinstance(subject, str):
        raise bad(number, "subject must be a string")
    if not storable(sample_id + subject):
        raise bad(number, "NUL or half of a surrogate pair")
    try:
        return Row(line=number, sample_id=sample_id, subject_key=subject_key(subject, pepper))
    except ValueError as error:
        raise bad(number, str(error)) from error


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, and no half of a surrogate pair."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def bad(number: int, reason: str) -> BadLine:
    """The refusal that names the line, and not what stands in it."""
    return BadLine(
        f"line {number}: {reason}; none of the lines was taken",
        Fault(f"/{number}", "bad_line", reason),
    )
