"""The ledger's key in its file or its setting: made once, not lost in silence, replaced in turn."""

import base64
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import log_key
from app.config import Settings
from app.evidence import note
from app.log_key import NoLogKey

SEED = base64.b64encode(bytes(range(32))).decode()
NEWER = base64.b64encode(bytes(range(32, 64))).decode()


@pytest.fixture
def kept(tmp_path: Path) -> Settings:
    """An installation whose key lies in its folder."""
    settings = Settings(data_dir=tmp_path / "data", log_key=SecretStr(""))
    log_key.make(settings)
    return settings


def told(tmp_path: Path, key: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", log_key=SecretStr(key))


def test_a_key_is_made_once_and_for_its_owner_only(kept: Settings) -> None:
    first = log_key.load(kept).verifier_keys

    log_key.make(kept)

    assert log_key.load(kept).verifier_keys == first
    assert stat.S_IMODE((kept.data_dir / log_key.KEY_FILE).stat().st_mode) == 0o600
    (vkey,) = (kept.data_dir / log_key.VKEY_FILE).read_text().split()
    assert note.parse_vkey(vkey) == first[0]


def test_a_key_in_the_settings_is_used_and_written_nowhere(tmp_path: Path) -> None:
    settings = told(tmp_path, SEED)

    log_key.make(settings)

    (key,) = log_key.load(settings).keys
    assert key.private_bytes_raw() == bytes(range(32))
    assert not settings.data_dir.exists()


def test_two_keys_in_the_settings_both_sign_the_newer_first(tmp_path: Path) -> None:
    signer = log_key.load(told(tmp_path, f"{NEWER} {SEED}"))

    assert [key.private_bytes_raw()[0] for key in signer.keys] == [32, 0]


@pytest.mark.parametrize("key", ["no key", SEED[:-4], "-----BEGIN PRIVATE KEY-----", " "])
def test_a_malformed_key_is_refused_in_words_that_do_not_repeat_it(
    tmp_path: Path, key: str
) -> None:
    with pytest.raises(NoLogKey, match="log key is") as refusal:
        log_key.load(told(tmp_path, key))

    assert key.strip() == "" or key not in str(refusal.value)


def test_without_a_key_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoLogKey, match="`lacuna up` makes a key"):
        log_key.load(told(tmp_path, ""))


def test_a_key_that_was_lost_is_not_replaced_in_silence(kept: Settings) -> None:
    log_key.remember(kept, b"a note")
    (kept.data_dir / log_key.KEY_FILE).unlink()

    with pytest.raises(NoLogKey, match="bring it back"):
        log_key.make(kept)


def test_what_was_signed_last_is_remembered(kept: Settings) -> None:
    assert log_key.remembered(kept) is None

    log_key.remember(kept, b"older")
    log_key.remember(kept, b"newer")

    assert log_key.remembered(kept) == b"newer"


def test_rotation_puts_a_new_key_before_the_old_one_and_drops_it_the_next_time(
    kept: Settings,
) -> None:
    (first,) = log_key.load(kept).verifier_keys

    second, still_first = log_key.rotate(kept, drop_old=False).verifier_keys
    (third,) = log_key.rotate(kept, drop_old=True).verifier_keys

    assert still_first == first
    assert [note.parse_vkey(line) for line in log_key.vkeys(kept)] == [third, second, first]


def test_the_older_key_retires_and_the_newer_one_signs_on(kept: Settings) -> None:
    (first,) = log_key.load(kept).verifier_keys
    second, _ = log_key.rotate(kept, drop_old=False).verifier_keys

    assert log_key.retire(kept).verifier_keys == (second,)

    assert [note.parse_vkey(line) for line in log_key.vkeys(kept)] == [second, first]
    with pytest.raises(NoLogKey, match="one key signs"):
        log_key.retire(kept)


def test_a_key_in_the_settings_is_not_rotated_behind_their_back(tmp_path: Path) -> None:
    with pytest.raises(NoLogKey, match="put a new one there"):
        log_key.rotate(told(tmp_path, SEED), drop_old=False)
    with pytest.raises(NoLogKey, match="take the older one out"):
        log_key.retire(told(tmp_path, SEED))
