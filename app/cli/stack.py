"""Runs a whole stack in one data folder: servers, migrations, services, and their end."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep

from app import log_key
from app.cli import address, data_folder, embedded
from app.cli.data_folder import Stack
from app.cli.leftovers import end, marked, watched
from app.cli.services import services
from app.cli.supervisor import Child, stop_all
from app.cli.surroundings import of_python
from app.config import Settings
from app.schema import upgrade

PAUSE = 0.1  # seconds between looks at the children
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotListen(Exception):
    """The API's address is taken, or not ours to take."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run where. With no workers only the API runs, and neither clerk nor beat."""

    data_dir: Path
    host: str
    port: int
    workers: int
    settings: Settings


@dataclass(frozen=True)
class Teller:
    """Where the news go: lines of text, and the stack once its API answers."""

    say: Callable[[str], None]
    ready: Callable[[Stack], None]


def run(plan: Plan, teller: Teller) -> None:
    """Run it until a signal comes, and leave nothing behind.

    Raises `InUse`, `Unusable`, `NoLogKey`, `CannotListen`, `ServerFailed`; nothing runs any more
    then.
    """
    with data_folder.held(plan.data_dir) as lock:
        if why := address.obstacle(plan.host, plan.port):
            raise CannotListen(f"cannot listen on {plan.host} port {plan.port}: {why}")
        stack = Stack(pid=os.getpid(), url=address.url(plan.host, plan.port))
        data_folder.tell(plan.data_dir, stack)
        if count := end(plan.data_dir):
            teller.say(f"ended {count} processes that an earlier stack had left behind")
        with watched(plan.data_dir, lock):
            serve(plan, stack, teller)


def serve(plan: Plan, stack: Stack, teller: Teller) -> None:
    """Start everything in order, look after it, and stop it in the opposite order."""
    children: list[Child] = []
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        # Before the database, for one without the secret of its subjects is worth nothing.
        secret = plan.settings.pepper.get_secret_value() or data_folder.pepper(plan.data_dir)
        log_key.make(plan.settings)
        stack = replace(stack, environment=start_servers(plan, children))
        upgrade(stack.environment["LACUNA_DATABASE_URL"])
        start_services(plan, children, {**stack.environment, "LACUNA_PEPPER": secret})
        look_after(plan, stack, children, teller)
    except KeyboardInterrupt:
        teller.say("stopping")
    finally:
        finish(plan, children)


def start_servers(plan: Plan, children: list[Child]) -> dict[str, str]:
    """Start the servers that are not the user's own; returns the settings that say where all are.

    Both start at once, and answer when this returns. Raises `ServerFailed`.
    """
    servers = embedded_servers(plan)
    for server in servers.values():
        children.append(Child(server.program))
        children[-1].start()
    for server, child in zip(servers.values(), children, strict=True):
        assert child.process is not None
        embedded.wait_until_ready(server, child.process)
    return {
        "LACUNA_DATA_DIR": str(plan.data_dir),
        "LACUNA_HOST": plan.host,
        "LACUNA_PORT": str(plan.port),
        "LACUNA_AUTH": plan.settings.access.value,
        "LACUNA_DATABASE_URL": plan.settings.database_url,
        "LACUNA_REDIS_URL": plan.settings.redis_url,
        **{setting: server.url for setting, server in servers.items()},
    }


def embedded_servers(plan: Plan) -> dict[str, embedded.Server]:
    """By setting, a server for each URL that the user did not set."""
    sockets, logs = data_folder.sockets(plan.data_dir), plan.data_dir / "logs"
    mark = marked(plan.data_dir)
    servers = {}
    if not plan.settings.database_url:
        servers["LACUNA_DATABASE_URL"] = embedded.postgres(
            plan.data_dir / "postgres",
            sockets=sockets / "postgres",
            log=logs / "postgres.log",
            environment=mark,
        )
    if not plan.settings.redis_url:
        servers["LACUNA_REDIS_URL"] = embedded.valkey(
            plan.data_dir / "valkey",
            sockets=sockets,
            log=logs / "valkey.log",
            environment=mark,
        )
    return servers


def start_services(plan: Plan, children: list[Child], environment: dict[str, str]) -> None:
    """Start what Lacuna itself is made of."""
    programs = services(
        plan.data_dir,
        host=plan.host,
        port=plan.port,
        workers=plan.workers,
        environment={**of_python(), **environment, **marked(plan.data_dir)},
    )
    for program in programs:
        children.append(Child(program))
        children[-1].start()


def look_after(plan: Plan, stack: Stack, children: list[Child], teller: Teller) -> None:
    """Restart what ends, and keep `stack.json` true, until a signal raises KeyboardInterrupt."""
    announced = False
    while True:
        news = [told for child in children if (told := child.look())]
        for told in news:
            teller.say(told)
        processes = tuple(child.state for child in children)
        if processes != stack.processes:
            stack = replace(stack, processes=processes)
            data_folder.tell(plan.data_dir, stack)
        if not announced and address.answers(plan.host, plan.port):
            announced = True
            teller.ready(stack)
        sleep(PAUSE)


def finish(plan: Plan, children: list[Child]) -> None:
    """Stop the services together, then the servers, and whatever any of them left behind."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    servers = [child for child in children if child.program.name in ("postgres", "valkey")]
    stop_all(*(child for child in children if child not in servers))
    for server in reversed(servers):
        stop_all(server)
    end(plan.data_dir)
    shutil.rmtree(data_folder.sockets(plan.data_dir))
    (plan.data_dir / "stack.json").unlink(missing_ok=True)
