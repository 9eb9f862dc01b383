"""What can be told of the images and of docker-compose.yml without a Docker engine."""

import re
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import build
from app.config import Settings
from app.queue import CHORES, ERRANDS, JOBS

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRETS = {"POSTGRES_PASSWORD", "LACUNA_PEPPER", "LACUNA_LOG_KEY"}
# Inside a container the API's command says where it listens; .env says where the machine does.
NOT_FORWARDED = {"LACUNA_HOST", "LACUNA_PORT"}
USUALLY_EMPTY = {
    "LACUNA_COMMIT",
    "LACUNA_API_IMAGE",
    "LACUNA_WORKER_IMAGE",
}


def targets() -> dict[str, str]:
    """The stages of the Dockerfile: name to instructions."""
    stages = re.split(r"^FROM \S+ AS (\w+)\n", DOCKERFILE, flags=re.MULTILINE)[1:]
    return dict(zip(stages[::2], stages[1::2], strict=True))


def words(service: dict[str, Any]) -> list[str]:
    """The command of a service: its own, or that of its image."""
    if "command" in service:
        return [str(word) for word in service["command"]]
    if "build" not in service:
        return []
    command = targets()[service["build"]["target"]].rpartition("CMD ")[2]
    return list(yaml.safe_load(command))


def is_one_shot(service: dict[str, Any]) -> bool:
    return service.get("restart") == "no"


def interpolated(text: str) -> set[str]:
    """The names that Docker Compose takes from .env."""
    return set(re.findall(r"(?<!\$)\$\{(\w+)", text))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    own = service.get("healthcheck", {})
    by_image = "build" in service and "HEALTHCHECK" in targets()[service["build"]["target"]]

    assert is_one_shot(service) or ("test" in own or by_image)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        once = is_one_shot(SERVICES[other])

        assert wanted["condition"] == (
            "service_completed_successfully" if once else "service_healthy"
        )


def test_no_secret_is_written_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if name in SECRETS:
                assert value == f"${{{name}:?is missing in .env}}"
            written = value or ""
            assert not re.search(r"://\w+:(?!\$\{)[^@/]+@", written), f"{name} holds a password"


def example(pattern: str) -> dict[str, str]:
    """The lines of .env.example of this form: name to value."""
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(rf"^{pattern}=(.*)$", text, flags=re.MULTILINE))


def passed_through() -> set[str]:
    """The names without a value in docker-compose.yml: as in .env, or else not set at all."""
    common = COMPOSE["x-lacuna"]["environment"]
    return {name for name, value in common.items() if value is None}


def test_the_example_explains_every_name_and_gives_no_secret() -> None:
    given = example(r"(\w+)")

    assert set(given) == interpolated((ROOT / "docker-compose.yml").read_text())
    assert {name for name, value in given.items() if not value} == SECRETS | USUALLY_EMPTY
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_what_the_example_leaves_out_is_what_holds_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Settings().model_dump(mode="json")
    left_out = example(r"#(\w+)")

    for name, value in left_out.items():
        monkeypatch.setenv(name, value.strip("'"))

    assert set(left_out) == passed_through()
    assert Settings().model_dump(mode="json") == usual


def test_every_setting_reaches_the_services_that_read_it() -> None:
    known = {f"LACUNA_{field.upper()}" for field in Settings.model_fields}

    reached = {name for service in SERVICES.values() for name in service.get("environment", {})}

    assert known - reached == NOT_FORWARDED
    for name, service in SERVICES.items():
        if "build" in service:
            assert passed_through() <= set(service["environment"]), name


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_that_a_service_is_given_exist(name: str) -> None:
    given = {key for key in SERVICES[name].get("environment", {}) if key.startswith("LACUNA_")}

    settings = {f"LACUNA_{field.upper()}" for field in Settings.model_fields}
    assert given <= settings | set(build.FROM_ENVIRONMENT.values())


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_is_told_which_commit_it_was_built_from(target: str) -> None:
    assert "ARG LACUNA_COMMIT" in targets()[target]
    assert "ENV LACUNA_COMMIT=$LACUNA_COMMIT" in targets()[target]


def test_every_named_volume_is_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]

    used = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "/"))}

    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_the_command_of_a_service_names_modules_that_exist(name: str) -> None:
    command = words(SERVICES[name])
    modules = [word.split(":")[0] for word in command if re.match(r"(app|workers)\.", word)]

    assert modules or command[0] == "lacuna"
    assert all(find_spec(module) for module in modules)


def test_every_queue_has_a_consumer() -> None:
    commands = [words(service) for service in SERVICES.values()]

    consumed = {command[command.index("-Q") + 1] for command in commands if "-Q" in command}

    assert consumed == {JOBS, CHORES, ERRANDS}


def test_images_are_built_from_targets_that_exist() -> None:
    built = {service["build"]["target"] for service in SERVICES.values() if "build" in service}

    assert built == {"api", "worker"}
    assert built < set(targets())


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_runs_as_an_ordinary_user_and_is_watched(target: str) -> None:
    assert "USER lacuna" in targets()[target]
    assert "HEALTHCHECK" in targets()[target]


def test_only_the_workers_image_holds_torch() -> None:
    version = re.search(r'"(torch==[\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert version

    assert "torch" not in targets()["api"] + targets()["base"]
    assert f"pip install {version[1]} " in targets()["worker"]
    assert f"install {version[1]}\n" in (ROOT / "Makefile").read_text()


def test_what_the_images_copy_exists_and_is_not_kept_out() -> None:
    copies = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    copied = {source for sources in copies for source in sources.split()}
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in kept if line.startswith("!")]

    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_in), source


def test_only_the_clerk_is_given_the_key_of_the_ledger() -> None:
    holders = [
        name for name in SERVICES if "LACUNA_LOG_KEY" in SERVICES[name].get("environment", {})
    ]

    assert holders == ["clerk"]
