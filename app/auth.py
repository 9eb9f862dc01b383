"""API keys as text: what they may do, how they are made, recognised and hashed.

A key is `lac_`, twelve hexadecimal digits by which it is looked up and shown, and 256 random bits.
"""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from ipaddress import ip_address

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import Conflict, NotFound, ServiceError

FORM = re.compile(r"(lac_[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
DERIVED_FOR = b"lacuna api keys"


class Auth(StrEnum):
    """Whether callers need a key."""

    REQUIRED = "required"
    OPEN = "open"


class Scope(StrEnum):
    """What a key may do; every route asks for one (app/api/scopes.py)."""

    REQUESTS_WRITE = "requests:write"
    REQUESTS_READ = "requests:read"
    REQUESTS_VERIFY = "requests:verify"
    JOBS_APPROVE = "jobs:approve"
    MODELS_ADMIN = "models:admin"
    MODELS_READ = "models:read"
    WEIGHTS_READ = "weights:read"
    WITHDRAWALS_WRITE = "withdrawals:write"
    LEDGER_READ = "ledger:read"
    METRICS_READ = "metrics:read"
    WEBHOOKS_ADMIN = "webhooks:admin"
    KEYS_ADMIN = "keys:admin"


class Unauthorized(ServiceError):
    """This needs an API key."""

    status = 401
    code = "api_key_missing"
    challenge = "Bearer"


class BadApiKey(Unauthorized):
    """The API key is unknown, expired or revoked."""

    code = "api_key_refused"
    challenge = 'Bearer error="invalid_token"'


class Forbidden(ServiceError):
    """The API key does not allow this."""

    status = 403
    code = "forbidden"


class MissingScope(Forbidden):
    """The API key lacks the scope that this asks for."""

    code = "missing_scope"


class NotThisRequest(Forbidden):
    """A person's token reads that person's request, and nothing else."""

    code = "not_this_request"


class SecondPersonNeeded(Forbidden):
    """Whoever asked for something may not be the one who approves it."""

    code = "second_person_needed"


class UnknownApiKey(NotFound):
    """No API key has that id."""

    code = "unknown_api_key"


class ApiKeyEnded(Conflict):
    """The API key is revoked or expired already."""

    code = "api_key_ended"


def fresh() -> str:
    """A new key, as its holder keeps it."""
    return f"lac_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def prefix(key: str) -> str | None:
    """The part of a key that may be shown; None for what has not the form of a key."""
    form = FORM.fullmatch(key)
    return form[1] if form else None


def digest(key: str, pepper: str) -> bytes:
    """What is stored of a key: HMAC-SHA256, so that a copy of the database makes none valid.

    Slow hashing is for secrets that people choose; these are random.
    """
    derived = HKDF(SHA256(), 32, salt=None, info=DERIVED_FOR).derive(pepper.encode())
    return hmac.new(derived, key.encode(), hashlib.sha256).digest()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def usual(host: str) -> Auth:
    """What holds where nobody said: keys, unless only this machine reaches the API."""
    return Auth.OPEN if is_loopback(host) else Auth.REQUIRED


def obstacle(auth: Auth, host: str) -> str | None:
    """Why the API may not listen there so, and what to do; None where it may."""
    if auth is Auth.REQUIRED or is_loopback(host):
        return None
    return (
        f"LACUNA_AUTH=open would let everybody who reaches {host} read and change everything. "
        "Unset LACUNA_AUTH, or set it to `required`: the first API key is then made and shown. "
        "To stay without keys, listen on 127.0.0.1."
    )
