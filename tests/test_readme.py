"""What README.md tells a reader to type exists, and is taken."""

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from app.api import datasets, model_lines, submissions
from app.cli.main import app as lacuna
from app.config import Settings
from app.main import create_app
from models import registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
FORGETTING = (ROOT / "benchmarks/results/unlearning.txt").read_text()
WAYS = {  # of the README's table, by their names in the benchmark's
    "exact retrains themselves": "retrain",
    "**our default**: HAMU with reference targets": "hamu, reference targets",
    "ours: distilling what references predict": "distil to p̄",
    "ours: HAMU with targets by rank, without references": "hamu, targets by rank",
    "the best published method, ∇τ, tuned per data set": "∇τ, as published",
    "an untouched network": "untouched",
}
PUBLISHED = [
    *("hamu, as published", "∇τ, as published", "rum", "finetune", "l1_sparse", "msg"),
    *("neggrad_plus", "salun", "scrub", "ssd"),
]
SHOWN = (0, 1, 3, 4)  # of the benchmark's columns: random 1 and 5 %, one person, memorized
LACUNA = ".venv/bin/lacuna"
HERE = "http://{host}:{port}".format_map(
    {name: field.default for name, field in Settings.model_fields.items()}
)
(BASE,) = re.findall(rf"^api={HERE}(/\w+)$", README, flags=re.MULTILINE)
BODIES: dict[str, type[BaseModel]] = {
    "/v1/datasets": datasets.DatasetCreate,
    "/v1/models": model_lines.ModelCreate,
    "/v1/deletion-requests": submissions.DeletionRequestCreate,
}


def commands() -> list[list[str]]:
    """Every command in the shell blocks, in words; those of a pipe one by one."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    text = "".join(blocks).replace("\\\n", " ").replace("|\n", "| ")
    found: list[list[str]] = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("|") if "|" in words else len(words)
            found.append(words[:end])
            words = words[end + 1 :]
    return found


def spans() -> list[list[str]]:
    """Everything that is set as code within a sentence, in words."""
    prose = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    return [span.split() for span in re.findall(r"`([^`\n]+)`", prose)]


def typed(program: str) -> list[list[str]]:
    """What follows a program's name wherever it is called."""
    return [words[1:] for words in [*commands(), *spans()] if words and words[0] == program]


@dataclass(frozen=True)
class Call:
    """One call of curl."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None

    @classmethod
    def of(cls, words: list[str]) -> "Call":
        (path,) = [word.removeprefix("$api") for word in words if word.startswith("$api/")]
        return cls(
            method=option(words, "-X") or "GET",
            path=BASE + path,
            headers=dict(header.split(": ") for header in options(words, "-H")),
            body=option(words, "-d"),
        )


def options(words: list[str], flag: str) -> list[str]:
    return [value for word, value in pairwise(words) if word == flag]


def option(words: list[str], flag: str) -> str | None:
    return next(iter(options(words, flag)), None)


def calls() -> list[Call]:
    return [Call.of(words) for words in typed("curl")]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the OpenAPI document says of each path."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"), database_url="postgresql+psycopg:///unused"
    )
    found: dict[str, Any] = create_app(settings).openapi()["paths"]
    return found


def described(paths: dict[str, Any], call: Call) -> dict[str, Any]:
    """The operation that a call would reach."""
    for template, operations in paths.items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(template))
        if re.fullmatch(pattern, call.path) and call.method.lower() in operations:
            operation: dict[str, Any] = operations[call.method.lower()]
            return operation
    raise AssertionError(f"README.md: nothing answers {call.method} {call.path}")


def test_there_is_something_to_check() -> None:
    assert {"demo", "test", "up"} <= {words[0] for words in typed("make") if words}
    assert len(calls()) >= 6
    assert ["recipe", "subjects", "digits"] in typed(LACUNA)


def test_every_target_of_make_exists_and_explains_itself() -> None:
    explained = set(re.findall(r"^([\w-]+):.*## \S", MAKEFILE, flags=re.MULTILINE))
    declared = set(
        re.findall(r"[\w-]+", " ".join(re.findall(r"^\.PHONY:(.*)", MAKEFILE, re.MULTILINE)))
    )

    named = {target for words in typed("make") for target in words}

    assert named <= explained, "make alone must list it"
    assert declared == explained, "every target that is called by name is phony and explained"


@pytest.mark.parametrize("arguments", [*typed(LACUNA), *typed("lacuna")], ids=" ".join)
def test_every_lacuna_command_exists_and_takes_its_arguments(arguments: list[str]) -> None:
    command: Any = get_command(lacuna)
    while getattr(command, "commands", None):
        assert arguments, f"{command.name} needs a command"
        assert arguments[0] in command.commands, f"lacuna has no command {arguments[0]}"
        command, arguments = command.commands[arguments[0]], arguments[1:]

    command.make_context(command.name, list(arguments))  # raises on what it does not take


def test_every_call_reaches_an_operation_in_a_form_that_it_takes(paths: dict[str, Any]) -> None:
    for call in calls():
        operation = described(paths, call)
        if call.method == "POST":
            assert call.headers["Content-Type"] in operation["requestBody"]["content"], call
        if accepted := call.headers.get("Accept"):
            assert accepted in operation["responses"]["200"]["content"], call


def test_every_body_is_taken() -> None:
    bodies = [(call.path, call.body) for call in calls() if call.body is not None]

    assert {path for path, _ in bodies} == set(BODIES)
    for path, body in bodies:
        BODIES[path].model_validate_json(body)


def test_the_recipe_and_the_person_that_are_named_ship() -> None:
    (model,) = [call.body for call in calls() if call.path == "/v1/models" and call.body]
    (asked,) = [call.body for call in calls() if call.path.endswith("-requests") and call.body]
    registered = model_lines.ModelCreate.model_validate_json(model)
    request = submissions.DeletionRequestCreate.model_validate_json(asked)

    recipe = registry.discover().found[registered.recipe]

    assert request.subject in (recipe.pool().subjects or ())


def test_every_page_that_a_browser_is_sent_to_exists(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url="postgresql+psycopg:///unused"))
    pages = {app.url_path_for("read_landing"), app.docs_url}

    named = {path or "/" for path in re.findall(rf"`{HERE}(/\S*)?`", README)}

    assert named == pages


def test_every_setting_that_is_named_exists() -> None:
    known = {f"LACUNA_{field.upper()}" for field in Settings.model_fields}

    assert set(re.findall(r"LACUNA_[A-Z_]+", README)) <= known


def counted(inside: str) -> list[str]:
    """In how many runs, for each forget set that the README shows."""
    found = re.findall(r"(\d+) of \d+", inside)
    return [found[place] for place in SHOWN]


def test_the_table_of_forgetting_says_what_the_benchmark_says() -> None:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.splitlines()
        if line.startswith("|")
    ]
    shown = {cell[0]: cell[1:] for cell in cells}
    inside, costs = (
        {
            line[:25].strip(): line[25:]
            for line in FORGETTING.split(title)[1].split("\n\n")[0].splitlines()
        }
        for title in ("Inside the band,", "Mean cost,")
    )

    for name, way in WAYS.items():
        *counts, cost = shown[name]
        assert counts == counted(inside[way])
        if way not in ("retrain", "untouched"):
            spent = [float(costs[way].split()[place]) for place in SHOWN]
            assert cost == f"{min(spent):.2f} to {max(spent):.2f}"

    published = (way for way in inside if way in PUBLISHED)
    assert max(published, key=lambda way: sum(map(int, counted(inside[way])))) == "∇τ, as published"
