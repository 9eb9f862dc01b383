"""Refusals about signed weights; what all refusals have in common is in `app/errors.py`."""

from app.errors import Conflict, NotFound


class UnknownKey(NotFound):
    """Nothing was signed here with a key of that name."""

    code = "unknown_key"


class SignatureNotReady(Conflict):
    """The version's weights are not signed yet."""

    code = "signature_not_ready"
    retry_seconds = 2
