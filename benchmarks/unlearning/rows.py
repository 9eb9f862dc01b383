"""What was measured, a line for each network: a stopped run finds it again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Told = Callable[[str], object]


@dataclass(frozen=True)
class Rows:
    """The rows of one data set, a file of JSON lines."""

    file: Path

    def all(self) -> list[Row]:
        return [json.loads(line) for line in self._lines()]

    def has(self, **key: Any) -> bool:
        return any(all(row.get(name) == value for name, value in key.items()) for row in self.all())

    def add(self, row: Row) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _lines(self) -> Iterator[str]:
        if self.file.exists():
            yield from self.file.read_text().splitlines()


def of(rows: list[Row], **key: object) -> list[Row]:
    """The rows that have all these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in key.items())]
