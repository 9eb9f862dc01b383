"""Reads the rows of a Parquet file, a batch at a time; needs the extra `lacuna[parquet]`."""

from collections.abc import Generator
from importlib import import_module
from typing import IO, Any

from app.errors import BadLine, UnsupportedMediaType

Lines = Generator[tuple[int, Any], None, None]  # numbered, and to be closed

PARQUET = "application/vnd.apache.parquet"
BATCH = 10_000  # rows in memory at a time
BUFFER = 1 << 20  # bytes of a column that are read at once
LARGEST_GROUP = 1 << 30  # bytes of a row group once it is unpacked


class ParquetNotInstalled(UnsupportedMediaType):
    """This installation does not read Parquet."""

    code = "parquet_not_installed"


def rows(file: IO[bytes], needed: tuple[str, ...]) -> Lines:
    """Numbered rows with these columns alone; the first row is 1, as the first line elsewhere.

    Imported here, so that an API that never sees Parquet never loads the library.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ParquetNotInstalled(
            "install lacuna[parquet] beside the API, or send application/x-ndjson or text/csv"
        ) from error
    try:
        # Without these two the whole file, or a whole column of it, would be read ahead.
        table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER)
        refuse_form(table, needed)
        number = 0
        for batch in table.iter_batches(batch_size=BATCH, columns=list(needed), use_threads=False):
            for cells in zip(*(batch.column(name) for name in needed), strict=True):
                number += 1
                yield number, dict(zip(needed, values(cells, number), strict=True))
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise BadLine("not a Parquet file that can be read; nothing of it was taken") from error


def refuse_form(table: Any, needed: tuple[str, ...]) -> None:
    """Refuse a file without the columns, or one that would unpack to more than fits."""
    names = table.schema_arrow.names
    if any(names.count(name) != 1 for name in needed):
        raise BadLine(f"the file must have the columns {', '.join(needed)}, each once")
    groups = (table.metadata.row_group(n) for n in range(table.metadata.num_row_groups))
    if any(group.total_byte_size > LARGEST_GROUP for group in groups):
        raise BadLine(f"a row group unpacks to at most {LARGEST_GROUP} bytes; write smaller ones")


def values(cells: tuple[Any, ...], number: int) -> list[Any]:
    """The cells of a row as Python has them."""
    try:
        return [cell.as_py() for cell in cells]
    except UnicodeDecodeError as error:
        raise BadLine(f"line {number}: not UTF-8; none of the lines was taken") from error
