"""Has refusals of OpenDSR requests say themselves in its form (section 7.5) as well."""

import json
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import MEDIA_TYPE, Malformed

BAD_REQUEST = 400  # what OpenDSR answers to a body that it does not take


class OpendsrRefusals:
    """ASGI middleware: problem documents under a prefix get the member `error`.

    A body that is understood and not taken is answered with 400 there, instead of 422.
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self.prefix):
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def in_both_forms(message: Message) -> None:
            if message["type"] == "http.response.start" and is_problem(message):
                held.append(message)
            elif held:
                held.append(message)
                if not message.get("more_body", False):
                    for each in translated(held):
                        await send(each)
            else:
                await send(message)

        await self.app(scope, receive, in_both_forms)


def is_problem(start: Message) -> bool:
    return MutableHeaders(raw=start["headers"]).get("content-type") == MEDIA_TYPE


def translated(held: list[Message]) -> tuple[Message, Message]:
    """A whole answer that is a problem document, with what OpenDSR wants to read in it."""
    start, *parts = held
    problem = json.loads(b"".join(part.get("body", b"") for part in parts))
    if start["status"] == Malformed.status:
        start["status"] = problem["status"] = BAD_REQUEST
    body = json.dumps(problem | {"error": error(problem)}).encode()
    headers = MutableHeaders(raw=start["headers"])
    headers["content-length"] = str(len(body))
    start["headers"] = headers.raw
    return start, {"type": "http.response.body", "body": body}


def error(problem: dict[str, Any]) -> dict[str, Any]:
    """The same as OpenDSR's error object (section 7.6); like the problem, it names nobody."""
    whole = {"pointer": "", "code": problem["code"], "detail": problem["detail"]}
    return {
        "code": problem["status"],
        "message": problem["detail"],
        "errors": [
            {
                "domain": problem["code"],
                "reason": fault["code"],
                "message": f"{fault['pointer']}: {fault['detail']}".removeprefix(": "),
            }
            for fault in problem["errors"] or [whole]
        ],
    }
