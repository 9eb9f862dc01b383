"""ETags: which form of a thing somebody has, whether it is still that, and a refusal if not."""

import hashlib

from pydantic import BaseModel

from app.errors import ChangedMeanwhile


def etag(body: BaseModel) -> str:
    """For this very form of a thing."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'


def of_bytes(content: bytes) -> str:
    """For these very bytes."""
    return f'"{hashlib.sha256(content).hexdigest()}"'


def known(if_none_match: str | None, current: str) -> bool:
    """Whether the caller has the current form already; a weak tag will do (RFC 9110, 13.1.2)."""
    return if_none_match is not None and names(if_none_match.replace("W/", ""), current)


def refuse_if_changed(if_match: str | None, current: str) -> None:
    """Refuse a change to what is no longer what the caller has read (RFC 9110, 13.1.1)."""
    if if_match is not None and not names(if_match, current):
        raise ChangedMeanwhile("it was changed since it was read; read it again, then decide anew")


def names(tags: str, current: str) -> bool:
    """Whether a list of tags names the current one; `*` names any. No tag of ours holds a comma."""
    return tags.strip() == "*" or current in [tag.strip() for tag in tags.split(",")]
