import stat
from pathlib import Path

import pytest

from app.cli import data_folder
from app.cli.data_folder import InUse, ProcessState, Stack, Unusable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_held_by_one_stack_at_a_time(tmp_path: Path) -> None:
    with data_folder.held(tmp_path), pytest.raises(InUse), data_folder.held(tmp_path):
        pass

    assert not data_folder.is_held(tmp_path)


def test_a_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    with data_folder.held(tmp_path / "new"):
        assert mode(tmp_path / "new") & 0o066 == 0
        assert mode(tmp_path / "new" / "logs") == 0o700


def test_what_a_stack_tells_is_read_back(tmp_path: Path) -> None:
    told = Stack(
        pid=7,
        url="http://127.0.0.1:8000",
        environment={"LACUNA_REDIS_URL": "redis://here/0"},
        processes=(ProcessState(name="api", state="running", pid=8, since=1.5, restarts=2),),
    )

    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, told)

        assert data_folder.running(tmp_path) == told
        assert mode(tmp_path / "stack.json") == 0o600


def test_what_a_dead_stack_told_is_not_believed(tmp_path: Path) -> None:
    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, Stack(pid=7, url="http://127.0.0.1:8000"))

    assert (tmp_path / "stack.json").exists()
    assert data_folder.running(tmp_path) is None


def test_a_new_stack_does_not_show_what_the_last_one_told(tmp_path: Path) -> None:
    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, Stack(pid=7, url="http://127.0.0.1:8000"))

    with data_folder.held(tmp_path):
        assert data_folder.running(tmp_path) is None


def test_the_pepper_is_made_once_and_is_private(tmp_path: Path) -> None:
    first, second = data_folder.pepper(tmp_path), data_folder.pepper(tmp_path)

    assert first == second
    assert len(bytes.fromhex(first)) == 32
    assert mode(tmp_path / "pepper") == 0o600


def test_two_folders_have_two_peppers(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert data_folder.pepper(tmp_path / "a") != data_folder.pepper(tmp_path / "b")


def test_data_without_their_pepper_are_not_given_another(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    with pytest.raises(Unusable, match="has data but no pepper"):
        data_folder.pepper(tmp_path)


def test_sockets_of_a_deep_folder_lie_in_a_short_one_of_our_own(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)

    sockets = data_folder.sockets(deep)

    assert len(str(sockets / data_folder.LONGEST_SOCKET)) < data_folder.SOCKET_PATH_LIMIT
    assert mode(sockets) & 0o066 == 0
    assert data_folder.sockets(deep) == sockets
    sockets.rmdir()


def test_a_link_that_somebody_laid_in_the_place_of_sockets_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    sockets = data_folder.sockets(deep)
    sockets.rmdir()
    sockets.symlink_to(tmp_path)

    with pytest.raises(Unusable, match="is not ours"):
        data_folder.sockets(deep)

    sockets.unlink()


def test_commands_see_the_running_stack_but_what_is_set_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_REDIS_URL", "redis://mine/0")
    monkeypatch.delenv("LACUNA_DATABASE_URL", raising=False)
    monkeypatch.delenv("LACUNA_PEPPER", raising=False)
    settings = {"LACUNA_REDIS_URL": "redis://its/0", "LACUNA_DATABASE_URL": "postgresql:///its"}
    secret = data_folder.pepper(tmp_path)

    with data_folder.held(tmp_path):
        data_folder.tell(tmp_path, Stack(pid=7, url="http://here:1", environment=settings))
        found = data_folder.environment(tmp_path)

    assert found["LACUNA_DATABASE_URL"] == "postgresql:///its"
    assert found["LACUNA_REDIS_URL"] == "redis://mine/0"
    assert found["LACUNA_PEPPER"] == secret
    assert found["LACUNA_DATA_DIR"] == str(tmp_path)
