"""API keys: made, recognised, rotated, revoked; each of these but the second is a ledger entry."""

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from app import auth
from app.auth import ApiKeyEnded, Scope, UnknownApiKey
from app.evidence.canonical import Json
from app.ledger import entries
from app.ledger.key_tables import ApiKey


class Known(NamedTuple):
    """What a call needs to know of the key that it came with; read without the session."""

    id: UUID
    digest: bytes
    scopes: list[Any]
    request_id: UUID | None
    holder: UUID
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


# Built once: every call with a key asks it.
OF_PREFIX = select(*(getattr(ApiKey, name) for name in Known._fields)).where(
    ApiKey.prefix == bindparam("prefix")
)


def create(
    session: Session,
    name: str,
    *,
    scopes: Iterable[Scope],
    pepper: str,
    now: datetime,
    expires_at: datetime | None = None,
    request_id: UUID | None = None,
    holder: UUID | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which nothing shows again.

    With a `request_id`, and no scopes, it is the token of the person who made that request. With a
    `holder`, it is a further key of somebody who has one.
    """
    text = auth.fresh()
    key = ApiKey(
        id=(own := uuid4()),
        name=name,
        prefix=auth.prefix(text),
        digest=auth.digest(text, pepper),
        scopes=sorted(scopes),
        request_id=request_id,
        holder=holder or own,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    told: dict[str, Json] = {
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "request": str(request_id) if request_id else None,
        "expires_at": expires_at.isoformat() if expires_at else None,
        "holder": str(key.holder),
    }
    state(session, key, "created", now=now, **told)
    return key, text


def find(connection: Connection, text: str, *, pepper: str, now: datetime) -> Known | None:
    """The key of this text, if it is valid now. That it was used is noted to the hour."""
    prefix = auth.prefix(text)
    row = prefix and connection.execute(OF_PREFIX, {"prefix": prefix}).one_or_none()
    if not row or not hmac.compare_digest(row.digest, auth.digest(text, pepper)):
        return None
    key = Known(*row)
    if ended(key, now=now):
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    if key.last_used_at is None or key.last_used_at < hour:
        connection.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=hour))
    return key


def ended(key: ApiKey | Known, *, now: datetime) -> bool:
    """Whether it opens nothing any more."""
    return key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)


def get(session: Session, key_id: UUID, *, lock: bool = False) -> ApiKey:
    """The key of this id."""
    key = session.scalar(found(ApiKey.id == key_id, lock=lock))
    if key is None:
        raise UnknownApiKey("there is no API key with this id")
    return key


def by_prefix(session: Session, prefix: str, *, lock: bool = False) -> ApiKey:
    """The key that is shown by this prefix."""
    key = session.scalar(found(ApiKey.prefix == prefix, lock=lock))
    if key is None:
        raise UnknownApiKey(f"there is no API key that begins with {prefix}")
    return key


def found(which: ColumnElement[bool], *, lock: bool) -> Select[ApiKey]:
    """One key; to be changed by nobody else meanwhile."""
    query = select(ApiKey).where(which)
    if not lock:
        return query
    return query.with_for_update().execution_options(populate_existing=True)


def listed(session: Session) -> Sequence[ApiKey]:
    """All keys of callers, oldest first; persons' tokens are left out."""
    return session.scalars(
        select(ApiKey).where(ApiKey.request_id.is_(None)).order_by(ApiKey.created_at, ApiKey.id)
    ).all()


def any_valid(session: Session, *, now: datetime) -> bool:
    """Whether some key may make others: without one nobody gets in."""
    return bool(
        session.scalar(
            select(func.count())
            .select_from(ApiKey)
            .where(
                ApiKey.revoked_at.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
                ApiKey.scopes.contains([Scope.KEYS_ADMIN.value]),
            )
        )
    )


def rotate(
    session: Session, key: ApiKey, *, overlap: timedelta, pepper: str, now: datetime
) -> tuple[ApiKey, str]:
    """Another key that may do the same; the old one ends after the overlap.

    The new one lasts as long as the old one was to last.
    """
    refuse_ended(key, now=now)
    lasts = None if key.expires_at is None else key.expires_at - key.created_at
    ends = now + overlap
    key.expires_at = ends if key.expires_at is None else min(key.expires_at, ends)
    state(session, key, "rotated", now=now, expires_at=key.expires_at.isoformat())
    return create(
        session,
        key.name,
        scopes=[Scope(scope) for scope in key.scopes],
        pepper=pepper,
        expires_at=None if lasts is None else now + lasts,
        request_id=key.request_id,
        holder=key.holder,
        now=now,
    )


def revoke(session: Session, key: ApiKey, *, now: datetime) -> None:
    """Let a key open nothing from now on."""
    refuse_ended(key, now=now)
    key.revoked_at = now
    state(session, key, "revoked", now=now)


def refuse_ended(key: ApiKey, *, now: datetime) -> None:
    if ended(key, now=now):
        raise ApiKeyEnded(f"the API key {key.prefix} is revoked or has expired")


def state(session: Session, key: ApiKey, what: str, *, now: datetime, **facts: Json) -> None:
    """The entry that says what was done to a key. Its name may be a person's, and is left out."""
    entries.append(
        session,
        f"api_key.{what}",
        machine="api_key",
        row_id=key.id,
        now=now,
        payload={"id": str(key.id), "at": now.isoformat(), **facts},
    )
