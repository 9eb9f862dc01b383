"""What docs/operations.md and the alert rules name exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient
from typer.main import get_command

from app.api import scopes
from app.cli.main import app as lacuna
from app.config import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text()
RULES: dict[str, Any] = yaml.safe_load((DOCS / "prometheus-rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
SHELL = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE))


def anchors() -> set[str]:
    """The headings of the page, as links write them."""
    titles = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def known(http: TestClient) -> set[str]:
    """Every name under which a scrape may show a sample of ours."""
    types = re.findall(r"^# TYPE (lacuna_\w+) (\w+)$", http.get("/metrics").text, re.MULTILINE)
    parts = ("", "_bucket", "_sum", "_count")
    return {
        name + part
        for name, kind in types
        for part in (parts if kind == "histogram" else parts[:1])
    }


def test_every_metric_that_an_alert_or_the_page_names_exists(http: TestClient) -> None:
    exprs = " ".join(rule["expr"] for group in RULES["groups"] for rule in group["rules"])
    in_rules = set(re.findall(r"\blacuna_\w+", exprs))
    on_page = set(re.findall(r"`(lacuna_\w+)", PAGE))

    there = known(http)

    assert in_rules
    assert in_rules - there == set()
    assert on_page - there == set()
    assert {name for name in there if not name.endswith(("_bucket", "_sum", "_count"))} <= on_page


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"].removeprefix("#") in anchors()


def test_the_settings_that_the_page_names_exist() -> None:
    named = set(re.findall(r"LACUNA_(\w+)", PAGE)) - {"API_KEY"}  # which callers set

    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_the_commands_that_the_page_shows_exist() -> None:
    spans = re.findall(r"`(lacuna [^`]+)`", PAGE)
    lines = re.findall(r"^(?:\w+=\S+ )*(lacuna .*)$", SHELL, flags=re.MULTILINE)

    shown = [shlex.split(line, comments=True)[1:] for line in [*spans, *lines]]

    assert len(shown) > 10
    for words in shown:
        assert takes(words), words


def takes(words: list[str]) -> bool:
    """Whether the program has this command with these options."""
    command: Any = get_command(lacuna)
    rest = list(words)
    while rest and hasattr(command, "commands"):
        command = command.commands.get(rest.pop(0))
    options = {option for parameter in command.params for option in parameter.opts}
    return all(word in options for word in rest if word.startswith("--"))


def test_the_routes_that_the_page_calls_exist() -> None:
    routes = {re.sub(r"\{\w+\}", "*", route) for route in scopes.OF_ROUTE}
    calls = re.findall(r"curl -s (?:-X (\w+) )?\"?\$api([^\s\"?]+)", SHELL)

    asked = {f"{verb or 'GET'} /v1" + re.sub(r"[$]\w+", "*", path) for verb, path in calls}

    assert asked
    assert asked - routes - scopes.PUBLIC == set()
