"""A whole stack, as `lacuna up` runs it, that can be told to crash and is asked what is left."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import psutil

from app.cli import data_folder
from app.cli.leftovers import end
from app.cli.surroundings import of_python
from tests.faults import crowd

T = TypeVar("T")
PATIENCE = 120.0
SMALL = "2m"
SHORT = {
    "LACUNA_RECIPES": "tests.faults.crowd:recipe",
    "LACUNA_LEASE_SECONDS": "3",
    "LACUNA_SWEEP_SECONDS": "0.5",
    "LACUNA_SEQUENCE_SECONDS": "0.5",
    "LACUNA_WORKER_GONE_SECONDS": "9",
    "LACUNA_RETRY_SECONDS": "1",
    "LACUNA_MAX_ATTEMPTS": "20",  # what is tried is recovery, not giving up
    "LACUNA_WEBHOOK_HTTP": "true",
    "LACUNA_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
    "OMP_NUM_THREADS": "1",
}
# Every route but a retrain would do; this one is the fastest on such a recipe.
POLICY = {
    "max_wait_seconds": 0.0,
    "reference_seconds": 0.0,
    "route": "retrain",
    "purge_after_seconds": 0.0,
    "canary_share": 0.0,
}


@dataclass
class Rig:
    """A running stack: its folder, its API, and the file that tells it to crash."""

    folder: Path
    url: str
    people: list[int] = field(default_factory=lambda: list(range(crowd.people())))

    @property
    def order(self) -> Path:
        return self.folder / "order"

    def crash_at(self, point: str, how: str = "SIGKILL") -> None:
        """Have whoever passes this point next be killed, or be sent another signal."""
        fresh = self.order.with_suffix(".new")
        fresh.write_text(f"{point} {how}")
        fresh.rename(self.order)

    def set_clocks(self, *, off_by: float) -> None:
        """Have the whole stack's clocks go wrong by so many seconds; by nought: right again."""
        fresh = self.folder / "off_by.new"
        fresh.write_text(str(off_by))
        fresh.rename(self.folder / "off_by")

    @property
    def obeyed(self) -> int | None:
        """Who has taken the last order, as its process id; None while nobody has."""
        for path in self.folder.glob("order.*"):
            if path.suffix[1:].isdigit():
                return int(path.suffix[1:])
        return None

    def forget_orders(self) -> None:
        for path in self.folder.glob("order*"):
            path.unlink()

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Ask the API until it answers; what is posted carries a key, so that it counts once."""
        headers = body.pop("headers", {}) | {"Idempotency-Key": str(uuid4())}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = httpx2.request(
                    method, self.url + path, headers=headers, timeout=20, **body
                )
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                assert answer.is_success, answer.text
                return answer.json() if answer.content else None
            assert time.monotonic() < deadline, f"{method} {path} was not answered"
            time.sleep(0.2)

    def tried(self, path: str, what: str, **body: Any) -> str:
        """POST what may be refused in the present state; what was done, in words."""
        try:
            answer = httpx2.post(self.url + path, json=body or None, timeout=20)
        except httpx2.TransportError:
            return f"{what} (unanswered)"
        return what if answer.is_success else f"{what} (refused)"

    def until(self, what: Callable[[], T], *, seconds: float = PATIENCE) -> T:
        """Wait until it is true, and give it back."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"waited in vain; see {self.folder}/logs"
            time.sleep(0.25)
        return found

    def process(self, name: str) -> psutil.Process:
        """A process of the stack that its supervisor knows by this name."""

        def pid() -> int | None:
            stack = data_folder.running(self.folder)
            found = stack.processes if stack else ()
            return next((each.pid for each in found if each.name == name), None)

        return psutil.Process(self.until(pid))

    def train(self, name: str) -> None:
        """A model with its first version, on the one dataset of all models here."""
        body = {"name": name, "recipe": "crowd", "dataset": "people", "policy": POLICY}
        self.call("POST", "/v1/models", json=body)

    def live(self, name: str) -> int:
        """The number of the model's live version, 0 where there is none yet."""
        live = self.call("GET", f"/v1/models/{name}")["live"]
        return int(live["number"]) if live else 0

    def ask(self) -> str:
        """Have another person be forgotten; the request's id."""
        body = {"subject": f"person-{self.people.pop():03d}"}
        return str(self.call("POST", "/v1/deletion-requests", json=body)["id"])

    def approve(self) -> list[str]:
        """Be the person for whom jobs wait: some retrains are suspected wrongly. What was done."""
        waiting = self.call("GET", "/v1/jobs?state=awaiting_approval")["items"]
        return [self.tried(f"/v1/jobs/{job['id']}:approve", "approve") for job in waiting]

    def completed(self, request_id: str) -> bool:
        self.approve()
        path = f"/v1/deletion-requests/{request_id}"
        return bool(self.call("GET", path)["state"] == "completed")

    def job(self, request_id: str) -> str:
        """The id of the job that carries a request out, once there is one."""

        def of_first() -> str | None:
            erasures = self.call("GET", f"/v1/deletion-requests/{request_id}")["erasures"]
            return next((each["job_id"] for each in erasures if each["model"] == "first"), None)

        return str(self.until(of_first))

    def broken(self) -> dict[str, str]:
        """By invariant: `ok`, or how many violations `lacuna check-invariants` has found."""
        done = lacuna(self.folder, "check-invariants")
        found = dict(re.findall(r"^(I\d)  (ok|\d+ violations)", done.stdout, flags=re.MULTILINE))
        assert len(found) == 9, done.stdout + done.stderr
        assert (done.returncode == 0) == (set(found.values()) == {"ok"}), done.stderr
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
        return found


def lacuna(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours on this folder to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        env=surroundings(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def surroundings(folder: Path) -> dict[str, str]:
    """An environment in which short leases run out soon, and orders to crash are obeyed."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LACUNA_")}
    told = {
        "LACUNA_DATA_DIR": str(folder),
        "LACUNA_CRASH_AT": f"@{folder / 'order'}",
        "LACUNA_CLOCK_OFF_BY": str(folder / "off_by"),
    }
    return {**ours, **of_python(), **SHORT, **told}


@contextmanager
def folder_for_a_stack() -> Iterator[Path]:
    """A folder that PostgreSQL may reach as another user: those of pytest are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="lacuna-faults-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder)


@contextmanager
def on_a_small_disk(store: Path) -> Iterator[None]:
    """The store on a disk of its own that can be filled, where we may mount one."""
    store.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(store)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield
    if mounted:
        subprocess.run(["umount", "--lazy", str(store)], check=True)


@contextmanager
def running(folder: Path, *, workers: int = 2) -> Iterator[Rig]:
    """A stack for as long as the block runs, with everybody imported and one model trained."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    rig = Rig(folder, f"http://127.0.0.1:{port}")
    try:
        started = lacuna(folder, "up", "--detach", "--port", str(port), "--workers", str(workers))
        assert started.returncode == 0, started.stderr
        fill(rig)
        yield rig
    finally:
        lacuna(folder, "down")
        end(folder, grace=0.0)


def fill(rig: Rig) -> None:
    """The people of the recipe, and a model called `first` that was trained on them."""
    pool = crowd.pool()
    assert pool.subjects is not None
    lines = "".join(
        json.dumps({"sample_id": sample_id, "subject": subject}) + "\n"
        for sample_id, subject in zip(pool.ids, pool.subjects, strict=True)
    )
    rig.call("POST", "/v1/datasets", json={"name": "people"})
    told = {"Content-Type": "application/x-ndjson"}
    rig.call("POST", "/v1/datasets/people/samples", content=lines, headers=told)
    rig.until(lambda: rig.call("GET", "/v1/workers"))
    rig.train("first")
    rig.until(lambda: rig.live("first") == 1)
