"""`Idempotency-Key`: on routes with `RepeatsDep` a repeated POST is answered as the first was.

Routes without it do not read the header: what their state allows once is refused the second time.
Those that show a secret once refuse it (`refuse_key`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from app.api import fingerprints
from app.api.deps import SessionDep
from app.errors import BadKey, KeyInUse, KeyReused, ServiceError
from app.ledger import idempotency
from app.ledger.idempotency import Answer

# The refusals that a route with `RepeatsDep` may give.
REFUSALS = (BadKey, KeyReused, KeyInUse)


class KeyNotTaken(ServiceError):
    """The answer shows a secret that is kept nowhere, so it cannot be repeated."""

    code = "idempotency_key_not_taken"


@dataclass(frozen=True)
class Repeats:
    """What makes two POSTs the same one: the caller, the path and the key."""

    session: Session
    key: str | None
    path: str
    now: datetime

    def once(
        self, body: Any, produce: Callable[[], Answer], *, under: str | None = None
    ) -> JSONResponse:
        """The answer to this body (JSON), made now or when its key was first sent.

        With `under`, a collection's path, Location says where the answer's `id` lies in it.
        Raises KeyReused for another body, and KeyInUse while the first one is at work.
        """
        status, answer = self.answer(body, produce)
        headers = None if under is None else {"Location": f"{under}/{answer['id']}"}
        return JSONResponse(answer, status_code=status, headers=headers)

    def of_lines(
        self,
        file: IO[bytes],
        content_type: str,
        pepper: str,
        produce: Callable[[], Answer],
        *,
        validate_only: bool,
    ) -> JSONResponse:
        """The same for an upload of lines, told apart by what the file holds.

        With `validate_only` all that was done is taken back, and no key is kept.
        """
        if validate_only:
            with self.session.begin_nested() as everything:
                _, answer = produce()
                everything.rollback()
            return JSONResponse(answer)
        lines = fingerprints.keyed(file, pepper) if self.key else None
        return self.once({"lines": lines, "content_type": content_type}, produce)

    def answer(self, body: Any, produce: Callable[[], Answer]) -> Answer:
        """The same, to be completed by what is not kept with the key."""
        return idempotency.once(self.session, self.key, self.path, body, produce, now=self.now)


async def get_repeats(
    session: SessionDep,
    http: Request,
    idempotency_key: Annotated[
        str | None, Header(description="Repeat it to repeat the POST safely; 16 to 200 characters.")
    ] = None,
) -> Repeats:
    """Keys of one caller are nothing to another: an answer is for whoever asked."""
    path = path_of(http.state.caller.holder, http.url.path)
    return Repeats(session, checked(idempotency_key), path, http.state.now)


def path_of(holder: UUID | None, path: str) -> str:
    return f"{holder} {path}" if holder else path


def checked(header: str | None) -> str | None:
    """The Idempotency-Key without the quotes that the draft asks for."""
    if header is None:
        return None
    key = header.strip().removeprefix('"').removesuffix('"')
    if not 16 <= len(key) <= 200:
        raise BadKey("an Idempotency-Key has 16 to 200 characters, for instance a UUID")
    return key


async def refuse_key(
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> None:
    """Nobody is to believe that a POST can be repeated safely where each makes another secret."""
    if idempotency_key is not None:
        raise KeyNotTaken(
            "each such POST makes a secret and shows it once; send it without an Idempotency-Key, "
            "and revoke what was made if its answer was lost"
        )


RepeatsDep = Annotated[Repeats, Depends(get_repeats)]
