"""Refuses bodies that are too large: small ones before any route reads them, streams on the way."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import document
from app.errors import BodyTooLarge


class BodyLimit:
    """ASGI middleware: a body that is larger than its path takes is answered with 413.

    Bodies are read whole before the route sees them, but on paths that stream (`streams`): there
    they are counted as the route reads them, up to a limit of their own (`upload`).
    """

    def __init__(self, app: ASGIApp, *, limit: int, upload: int, streams: tuple[str, ...]) -> None:
        self.app = app
        self.limit = limit
        self.upload = upload
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].endswith(self.streams):
            await self.app(scope, counted(receive, self.upload), send)
        else:
            await self.read_first(scope, receive, send)

    async def read_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, then let the route read it again."""
        messages: list[Message] = []
        within = counted(receive, self.limit)
        try:
            while not messages or messages[-1].get("more_body", False):
                messages.append(await within())
        except HTTPException as error:
            await document(BodyTooLarge, str(error.detail))(scope, receive, send)
            return
        waiting = iter(messages)

        async def replay() -> Message:
            return next(waiting, None) or await receive()

        await self.app(scope, replay, send)


def counted(receive: Receive, limit: int) -> Receive:
    """The same messages, until their bodies together are larger than the limit.

    An HTTPException, because FastAPI takes any other error while it reads a form for a bad form.
    """
    size = 0

    async def next_message() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(BodyTooLarge.status, f"a body here has at most {limit} bytes")
        return message

    return next_message
