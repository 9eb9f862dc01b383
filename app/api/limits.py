"""Refuses bodies that are too large before any route reads them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import document
from app.errors import BodyTooLarge


class BodyLimit:
    """ASGI middleware: bodies up to a limit are read whole, larger ones are answered with 413.

    Paths that stream (`streams`) are let through; they count for themselves.
    """

    def __init__(self, app: ASGIApp, *, limit: int, streams: tuple[str, ...]) -> None:
        self.app = app
        self.limit = limit
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(self.streams):
            await self.app(scope, receive, send)
            return
        messages, size = [], 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self.limit:
                answer = document(BodyTooLarge, f"a body here has at most {self.limit} bytes")
                await answer(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        waiting = iter(messages)

        async def replay() -> Message:
            return next(waiting, None) or await receive()

        await self.app(scope, replay, send)
