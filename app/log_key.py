"""The ledger's signing keys: made once, kept in a file only their owner can read, or in a setting.

Only what signs (the clerk) loads them; everyone else needs the public `log.vkey` beside them.
"""

import base64
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.config import Settings
from app.evidence import note
from app.evidence.signer import Signer
from app.private_files import write_private

KEY_FILE = "log-key.pem"  # the newest key first
VKEY_FILE = "log.vkey"  # every public key that was ever used, the newest first
MEMORY_FILE = "log-checkpoint"  # the last note that was signed here
MOST_KEYS = 2  # that sign at once: the present one and the one before
PEM = re.compile(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", re.DOTALL)


class NoLogKey(Exception):
    """The ledger cannot be signed: there is no key, or none that can be read."""


def load(settings: Settings) -> Signer:
    """The ledger's signer, from LACUNA_LOG_KEY or else from the data folder."""
    told = settings.log_key.get_secret_value()
    kept = settings.data_dir / KEY_FILE
    if not told and not kept.exists():
        raise NoLogKey(f"there is no {kept} and LACUNA_LOG_KEY is not set: `lacuna up` makes a key")
    return Signer(settings.log_origin, parse(told or kept.read_text()))


def parse(text: str) -> tuple[Ed25519PrivateKey, ...]:
    """Keys from PEM blocks (PKCS #8), or from 32-byte seeds in base64, separated by blanks."""
    blocks = PEM.findall(text)
    try:
        keys = [key_of_pem(block) for block in blocks] or [key_of_seed(s) for s in text.split()]
    except ValueError as error:
        raise NoLogKey("the log key is neither PEM nor the base64 of 32 bytes") from error
    if not keys:
        raise NoLogKey("the log key is empty")
    return tuple(keys)


def key_of_pem(block: str) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(block.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


def key_of_seed(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True))


def make(settings: Settings) -> None:
    """Make the data folder's key at the first call, unless there is one or a setting has it."""
    kept = settings.data_dir / KEY_FILE
    if told := settings.log_key.get_secret_value():
        parse(told)
        return
    if kept.exists():
        return
    if (settings.data_dir / MEMORY_FILE).exists():
        raise NoLogKey(
            f"a ledger was signed here and its {kept} is gone: bring it back, or move "
            f"{MEMORY_FILE} away and set another LACUNA_LOG_ORIGIN to begin a new ledger"
        )
    keep(settings, (Ed25519PrivateKey.generate(),))


def rotate(settings: Settings, *, drop_old: bool) -> Signer:
    """Put a new key before the data folder's own; the old one signs on beside it unless dropped."""
    if settings.log_key.get_secret_value():
        raise NoLogKey("the log key is in LACUNA_LOG_KEY: put a new one there, before the old one")
    old = load(settings).keys
    kept = () if drop_old else old[: MOST_KEYS - 1]
    keep(settings, (Ed25519PrivateKey.generate(), *kept))
    return load(settings)


def retire(settings: Settings) -> Signer:
    """Let the older of two keys sign no more; who checks receipts has the newer one by now."""
    if settings.log_key.get_secret_value():
        raise NoLogKey("the log key is in LACUNA_LOG_KEY: take the older one out of it")
    newest, *older = load(settings).keys
    if not older:
        raise NoLogKey("one key signs; `lacuna keys rotate` puts another before it")
    keep(settings, (newest,))
    return load(settings)


def keep(settings: Settings, keys: tuple[Ed25519PrivateKey, ...]) -> None:
    """Write the public keys before the private ones: what signs can always be checked."""
    known = vkeys(settings)
    fresh = [note.vkey(key) for key in Signer(settings.log_origin, keys).verifier_keys]
    lines = [*fresh, *(line for line in known if line not in fresh)]
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(settings.data_dir / VKEY_FILE, "".join(f"{line}\n" for line in lines).encode())
    write_private(settings.data_dir / KEY_FILE, b"".join(pem(key) for key in keys))


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def vkeys(settings: Settings) -> list[str]:
    """Every public key of the ledger, the newest first: those in use, and those that were."""
    public = settings.data_dir / VKEY_FILE
    kept = public.read_text().split() if public.exists() else []
    if told := settings.log_key.get_secret_value():
        used = [note.vkey(key) for key in Signer(settings.log_origin, parse(told)).verifier_keys]
        return [*used, *(line for line in kept if line not in used)]
    return kept


def remember(settings: Settings, signed: bytes) -> None:
    """Keep the last note that was signed, outside of the database that may be put back."""
    write_private(settings.data_dir / MEMORY_FILE, signed)


def remembered(settings: Settings) -> bytes | None:
    """The last note that was signed here."""
    memory: Path = settings.data_dir / MEMORY_FILE
    return memory.read_bytes() if memory.exists() else None
