"""Pages of long lists: an opaque token marks the place where the next one begins."""

import base64
import binascii
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.errors import BadPageToken

MOST = 200
AS_IT_CAME = "use the next_page_token of a page of this list as it came"

PageSize = Annotated[
    int, Query(ge=1, description=f"Rows per page; more than {MOST} is read as {MOST}.")
]
PageToken = Annotated[
    str | None, Query(description="`next_page_token` of the page before; it grants no access.")
]

Place = tuple[datetime, UUID]


def encode(which: str, place: Place) -> str:
    """The token for the rows of a list after this place."""
    return base64.urlsafe_b64encode(f"{which} {place[0].isoformat()} {place[1]}".encode()).decode()


def decode(which: str, token: str | None) -> Place | None:
    """The place that a token marks in this list; no other text than `encode` gave means it."""
    if token is None:
        return None
    try:
        _, moment, row_id = base64.urlsafe_b64decode(token).decode().split(" ")
        place = datetime.fromisoformat(moment), UUID(row_id)
    except (ValueError, binascii.Error) as error:
        raise BadPageToken(AS_IT_CAME) from error
    if place[0].tzinfo is None or encode(which, place) != token:
        raise BadPageToken(AS_IT_CAME)
    return place


def size(asked: int) -> int:
    """How many rows to give."""
    return min(asked, MOST)
