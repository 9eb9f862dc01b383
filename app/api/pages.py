"""Pages of long lists: an opaque token marks the place where the next one begins."""

import base64
import binascii
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.errors import BadPageToken

MOST = 200

PageSize = Annotated[
    int, Query(ge=1, description=f"Rows per page; more than {MOST} is read as {MOST}.")
]
PageToken = Annotated[
    str | None, Query(description="`next_page_token` of the page before; it grants no access.")
]

Place = tuple[datetime, UUID]


def encode(place: Place) -> str:
    """The token for the rows after this place."""
    return base64.urlsafe_b64encode(f"{place[0].isoformat()} {place[1]}".encode()).decode()


def decode(token: str | None) -> Place | None:
    """The place that a token marks."""
    if token is None:
        return None
    try:
        moment, row_id = base64.urlsafe_b64decode(token).decode().split(" ")
        return datetime.fromisoformat(moment), UUID(row_id)
    except (ValueError, binascii.Error) as error:
        raise BadPageToken("use the next_page_token of a page as it came") from error


def size(asked: int) -> int:
    """How many rows to give."""
    return min(asked, MOST)
