"""Callers for tests: their keys, and the header that holds one."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.auth import Scope
from app.ledger import api_keys
from tests.factories import NOW, PEPPER


def make_key(session: Session, *scopes: Scope, now: datetime = NOW, **facts: Any) -> dict[str, str]:
    """The header of a new key with these scopes, or with all of them."""
    _, text = api_keys.create(
        session, "somebody", scopes=scopes or tuple(Scope), pepper=PEPPER, now=now, **facts
    )
    return bearer(text)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}
