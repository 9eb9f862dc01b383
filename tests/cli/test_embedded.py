import os
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from celery import Celery
from sqlalchemy import make_url

from app.cli import data_folder, embedded
from app.cli.embedded import Server, ServerFailed
from app.cli.program import start, stop


@pytest.fixture(scope="module")
def short(servers: Path) -> Path:
    """A folder whose path is short enough for sockets, where making a cluster was once cut off."""
    folder = servers / "embedded"
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    return folder


def make_postgres(folder: Path, **settings: str) -> Server:
    return embedded.postgres(
        folder / "postgres",
        sockets=folder / "sockets",
        log=folder / "postgres.log",
        settings={"fsync": "off", **settings},
    )


def run_sql(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query; none for a statement."""
    parts = make_url(url)
    with psycopg.connect(
        host=str(parts.query["host"]), user=parts.username, dbname=parts.database
    ) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def test_what_postgres_holds_survives_its_restart(short: Path) -> None:
    with embedded.running(make_postgres(short)) as url:
        run_sql(url, "CREATE TABLE kept AS SELECT 42 AS number")

    with embedded.running(make_postgres(short)) as url:
        rows = run_sql(url, "SELECT number FROM kept")

    assert rows == [(42,)]


def test_a_half_made_database_cluster_is_made_anew(short: Path) -> None:
    with embedded.running(make_postgres(short)) as url:
        rows = run_sql(url, "SELECT 1")

    assert rows == [(1,)]
    assert not (short / "postgres.new").exists()


def test_a_server_that_does_not_start_says_why(short: Path) -> None:
    server = make_postgres(short, shared_buffers="much")

    with pytest.raises(ServerFailed, match=r"(?s)postgres: exit code 1.*shared_buffers.*much"):
        embedded.running(server).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its powers away")
def test_started_by_root_postgres_runs_as_somebody_else(short: Path) -> None:
    server = make_postgres(short)
    process = start(server.program)
    embedded.wait_until_ready(server, process)  # one that is asked to stop sooner may not hear it

    uids = psutil.Process(process.pid).uids()
    stop((server.program, process))

    assert set(uids) == {(short / "postgres").stat().st_uid}
    assert 0 not in uids


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
def test_data_that_somebody_owns_stay_theirs_when_root_starts_postgres(short: Path) -> None:
    make_postgres(short)
    for path in [short / "postgres", *(short / "postgres").rglob("*")]:
        os.chown(path, 12345, 12345)

    with embedded.running(make_postgres(short)) as url:
        rows = run_sql(url, "SELECT 1")

    assert rows == [(1,)]
    assert (short / "postgres").stat().st_uid == 12345


def test_neither_server_listens_on_the_network(short: Path) -> None:
    valkey = embedded.valkey(short / "valkey", sockets=short, log=short / "valkey.log")
    for server in (make_postgres(short), valkey):
        process = start(server.program)
        embedded.wait_until_ready(server, process)

        listening = psutil.Process(process.pid).net_connections(kind="inet")
        stop((server.program, process))

        assert listening == []


def test_a_pid_file_that_names_another_program_is_dropped(tmp_path: Path) -> None:
    pidfile = tmp_path / "postmaster.pid"
    pidfile.write_text(f"{os.getpid()}\n{tmp_path}\n")

    embedded.forget_stale_pid(pidfile)

    assert not pidfile.exists()


def test_the_pid_file_of_a_running_postgres_is_left_alone(short: Path) -> None:
    with embedded.running(make_postgres(short)):
        pidfile = short / "postgres" / "postmaster.pid"

        embedded.forget_stale_pid(pidfile)

        assert pidfile.exists()


def test_celery_reaches_a_valkey_in_a_deep_folder_with_blanks(tmp_path: Path) -> None:
    deep = tmp_path / ("a b" * 20) / ("c%d" * 20)
    deep.mkdir(parents=True)
    sockets = data_folder.sockets(deep)
    server = embedded.valkey(deep / "valkey", sockets=sockets, log=deep / "valkey.log")

    with embedded.running(server) as url, Celery(broker=url) as celery:
        celery.send_task("ring", queue="jobs")
        with redis.Redis(unix_socket_path=str(sockets / "valkey.sock")) as client:
            waiting = client.llen("jobs")

    sockets.rmdir()
    assert waiting == 1


def test_valkey_keeps_nothing(short: Path) -> None:
    server = embedded.valkey(short / "valkey", sockets=short, log=short / "valkey.log")
    with (
        embedded.running(server),
        redis.Redis(unix_socket_path=str(short / "valkey.sock")) as client,
    ):
        client.set("bell", "rung")

    with (
        embedded.running(server),
        redis.Redis(unix_socket_path=str(short / "valkey.sock")) as client,
    ):
        assert client.get("bell") is None
