"""The rules of the house that no linter knows; each failure names the place and says what to do."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import all_kinds

ROOT = Path(__file__).parents[1]
PARTS = ("app", "workers", "models", "migrations", "benchmarks")
LONGEST = 300
LONGER = {
    "migrations/versions/0001_first_form.py": "the first form of all tables is one migration",
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "models", "service"}
PROSE = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def sources(*parts: str) -> list[Path]:
    return sorted(path for part in parts for path in (ROOT / part).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def places(*parts: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node of every module, and where it stands."""
    for path in sources(*parts):
        file = name(path)
        for node in ast.walk(ast.parse(path.read_text())):
            yield f"{file}:{getattr(node, 'lineno', 0)}", node


def test_no_file_is_long() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in sources(*PARTS)}

    long = {path for path, lines in lengths.items() if lines > LONGEST}

    assert long - LONGER.keys() == set(), f"over {LONGEST} lines: split it, one idea per file"
    assert LONGER.keys() - long == set(), "no longer long: take it off the list of exceptions"


def test_every_module_begins_with_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in sources("app", "workers", "models", "migrations", "benchmarks")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == [], "a module opens with one sentence that says what it is for"


def test_no_error_is_swallowed() -> None:
    swallowed = [
        place
        for place, node in places(*PARTS, "tests")
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(step, ast.Pass) or is_ellipsis(step) for step in node.body)
    ]

    assert swallowed == [], "handle the error, or say with contextlib.suppress that it is expected"


def is_ellipsis(step: ast.stmt) -> bool:
    return (
        isinstance(step, ast.Expr)
        and isinstance(step.value, ast.Constant)
        and step.value.value is Ellipsis
    )


def test_only_the_command_line_and_benchmarks_print() -> None:
    printed = [
        place
        for place, node in places("app", "workers", "models", "migrations")
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
        and not place.startswith("app/cli/")
    ]

    assert printed == [], "write a log line (structlog), or return it to the caller"


def test_no_name_is_vague() -> None:
    vague = [
        name(path)
        for path in sources(*PARTS, "tests")
        if path.stem in VAGUE or path.parent.name in VAGUE - {"models"}
    ]
    networks = {"models", "tests/models"}  # their __init__ says: networks, not tables
    misplaced = {
        name(path.parent)
        for path in sources(*PARTS, "tests")
        if path.parent.name == "models" and name(path.parent) not in networks
    }

    assert vague == [], "call a module after what it does; tables are in app/ledger/tables.py"
    assert misplaced == set(), "only the folder of the networks is called models"


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def dependencies() -> list[str]:
    """Every requirement of pyproject.toml, as it is written."""
    facts = project()
    groups = [
        facts["build-system"]["requires"],
        facts["project"]["dependencies"],
        *facts["project"]["optional-dependencies"].values(),
        *facts["dependency-groups"].values(),
    ]
    return [requirement for group in groups for requirement in group]


def test_every_dependency_is_pinned_exactly() -> None:
    exact = re.compile(r"[\w.-]+(\[[\w,]+\])?==\d[\w.]*")

    loose = [requirement for requirement in dependencies() if not exact.fullmatch(requirement)]

    assert loose == [], "this is an application: pin with =="


def test_every_dependency_has_a_line_that_says_why_it_is_here() -> None:
    table = (ROOT / "docs/decisions/0002-parts.md").read_text()
    explained = {
        part
        for row in re.findall(r"^\| ([^|]+) \|", table, flags=re.MULTILINE)
        for part in row.split(", ")
    }
    needed = {re.split(r"[\[=]", requirement)[0] for requirement in dependencies()}

    assert needed - explained == set(), "give it a line in docs/decisions/0002-parts.md"
    assert explained - needed - {"part"} == set(), "no dependency any more: take its line out"


def test_problem_codes_are_unique_and_explained() -> None:
    """Each is shown at /problems with the first line of its docstring as its title."""
    kinds = all_kinds()

    repeated = [code for code, times in Counter(kind.code for kind in kinds).items() if times > 1]
    untitled = [kind.__name__ for kind in kinds if not (kind.__doc__ or "").strip()]
    odd = [kind.code for kind in kinds if not re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)]

    assert repeated == [], "a kind of refusal has a code of its own, and codes are never reused"
    assert untitled == [], "the docstring of a refusal is its title"
    assert odd == [], "codes are lower-case words with underscores"


@pytest.mark.parametrize("path", PROSE, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [target for target in targets if not re.match(r"https?:|mailto:|#", target)]

    broken = [
        target for target in relative if not (path.parent / target.partition("#")[0]).exists()
    ]

    assert broken == [], f"links of {name(path)} that lead nowhere"


@pytest.mark.parametrize("path", PROSE, ids=name)
def test_links_into_a_page_lead_to_one_of_its_headings(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:)([^)\s#]*)#([^)\s]+)\)", text)

    lost = [f"{page}#{anchor}" for page, anchor in links if anchor not in anchors(path, page)]

    assert lost == [], f"links of {name(path)} to headings that are not there"


def anchors(path: Path, page: str) -> set[str]:
    """The headings of a page that another one names, as links write them."""
    headings = re.findall(
        r"^#+ (.+)$", (path.parent / page if page else path).read_text(), flags=re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_decision_that_is_cited_was_taken() -> None:
    taken = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")}
    paths = [*sources("app", "workers", "models", "migrations", "tests", "benchmarks"), *PROSE]
    cited = {
        (name(path), number.zfill(4))
        for path in [*paths, ROOT / "pyproject.toml"]
        for number in re.findall(r"(?:decisions?[ /]|\[(?=\d{4}\]\())(\d+)", path.read_text())
    }

    assert len(cited) > 15
    assert sorted(each for each in cited if each[1] not in taken) == []
