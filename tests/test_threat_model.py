"""Each threat of docs/threat-model.md has what stops it, and tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/threat-model.md").read_text()
STOPPED, NOT_STOPPED = PAGE.split("## What is not stopped")
ROWS = [
    row.strip("| ").split(" | ")
    for row in STOPPED.partition("## Threats")[2].splitlines()
    if row.startswith("| ") and not row.startswith("| threat |")
]


def defined_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_threat_is_stopped_by_something_that_a_test_shows(row: list[str]) -> None:
    threat, means, shown = row
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)

    assert threat
    assert means
    assert named
    assert len(named) == shown.count("`") // 2
    for path, test in named:
        assert test in defined_in(ROOT / path), f"{path} has no {test}"


def test_what_is_not_stopped_is_said_at_length() -> None:
    assert len(re.findall(r"^- \*\*", NOT_STOPPED, flags=re.MULTILINE)) > 9
