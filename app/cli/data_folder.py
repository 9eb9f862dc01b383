"""The data folder: who holds it, its secret, its sockets, and what runs in it."""

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from pydantic import TypeAdapter

from app.private_files import write_private

SOCKET_PATH_LIMIT = 103  # bytes; macOS has the least room: 104 with the closing zero
# As root PostgreSQL runs as `nobody`, who has to pass through; to list or read it is for us alone.
CLOSED = 0o711 if os.geteuid() == 0 else 0o700
LONGEST_SOCKET = "postgres/.s.PGSQL.5432.lock"


class InUse(Exception):
    """Another stack holds the data folder."""


class Unusable(Exception):
    """Something in the data folder must be put right by hand."""


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """One program of the stack as its supervisor sees it; `since` is in seconds since the epoch."""

    name: str
    state: str
    pid: int | None
    since: float
    restarts: int


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs in a data folder, as `stack.json` tells the other commands."""

    pid: int
    url: str
    environment: dict[str, str] = field(default_factory=dict)
    processes: tuple[ProcessState, ...] = ()


STACK = TypeAdapter(Stack)


def make(data_dir: Path) -> None:
    """Make the folder, closed to others, unless there is one."""
    if not data_dir.exists():
        data_dir.mkdir(mode=CLOSED, parents=True)
    (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)


@contextmanager
def held(data_dir: Path) -> Iterator[int]:
    """Hold the folder for as long as the block runs; yields the lock's file descriptor.

    Raises `InUse`. The kernel frees the lock when its holders die: it is never stale.
    """
    make(data_dir)
    lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not locks(lock):
            raise InUse(data_dir)
        (data_dir / "stack.json").unlink(missing_ok=True)
        yield lock
    finally:
        os.close(lock)


def locks(lock: int) -> bool:
    """Whether we get the lock; `is_held` may have it for a moment, so not just once."""
    for _ in range(10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(0.02)
        else:
            return True
    return False


def is_held(data_dir: Path) -> bool:
    """Whether a stack, or the watchdog that clears up after one, holds the folder."""
    if not (data_dir / "lock").exists():
        return False
    lock = os.open(data_dir / "lock", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def running(data_dir: Path) -> Stack | None:
    """The stack that runs in this folder; None where none does, or none has begun to."""
    told = data_dir / "stack.json"
    if not is_held(data_dir) or not told.exists():
        return None
    return STACK.validate_json(told.read_bytes())


def environment(data_dir: Path) -> dict[str, str]:
    """Our environment, completed by what a stack that runs in this folder has in its own."""
    stack = running(data_dir)
    secret = data_dir / "pepper"
    return {
        "LACUNA_DATA_DIR": str(data_dir),
        **(stack.environment if stack else {}),
        **({"LACUNA_PEPPER": secret.read_text()} if secret.exists() else {}),
        **os.environ,
    }


def tell(data_dir: Path, stack: Stack) -> None:
    """Write `stack.json`, whole or not at all."""
    write_private(data_dir / "stack.json", STACK.dump_json(stack, indent=2))


def pepper(data_dir: Path) -> str:
    """The folder's own secret, made at the first call.

    Raises `Unusable` where there is data but no secret: a new one would match no known subject.
    """
    kept = data_dir / "pepper"
    if kept.exists():
        return kept.read_text()
    if (data_dir / "postgres").exists():
        raise Unusable(
            f"{data_dir} has data but no pepper: its subjects were hashed under a LACUNA_PEPPER "
            "that is not set now. Set it, or bring the file back."
        )
    fresh = secrets.token_hex(32)
    write_private(kept, fresh.encode())
    return fresh


def sockets(data_dir: Path) -> Path:
    """A folder for Unix sockets: in the data folder, or a short one where that is too deep.

    Raises `Unusable` where somebody else made the short one.
    """
    folder = data_dir / "run"
    if len(os.fsencode(folder / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
        digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        # Not the system's choice of a temporary folder, which may be deep itself.
        folder = Path(f"/tmp/lacuna-{os.geteuid()}-{digest}")  # noqa: S108, checked below
    folder.mkdir(mode=CLOSED, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Unusable(f"{folder} is not ours; remove it")
    return folder
