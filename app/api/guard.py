"""Stands before every route: who calls, may they do this, and not too often."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from app.api import scopes
from app.api.deps import NowDep, SessionDep
from app.auth import (
    Auth,
    BadApiKey,
    Forbidden,
    MissingScope,
    NotThisRequest,
    Scope,
    Unauthorized,
)
from app.config import Settings
from app.ledger import api_keys, rates
from app.ledger.api_keys import Known
from app.ledger.rates import Allowance, QuotaSpent, RateLimited, Standing
from app.webhook_signing import pepper_of

Ask = Callable[[], Connection]
DAY = 24 * 3600  # seconds
HOW = "send a key as `Authorization: Bearer lac_…`; `lacuna api-keys create` makes one"


class OnlyFromHere(Forbidden):
    """Without keys, only callers on the service's own machine are answered."""

    code = "only_from_here"


@dataclass(frozen=True)
class Caller:
    """Who calls. Without a key, an address: all that is known where keys are not required."""

    name: str  # under which its requests are counted
    scopes: frozenset[Scope]
    holder: UUID | None = None
    request_id: UUID | None = None  # of a person's token


def guard(request: Request, now: NowDep) -> None:
    """Let a caller through to a route, or refuse; the application asks it before every route."""
    settings: Settings = request.app.state.settings
    counting: Engine = request.app.state.counting
    route = f"{request.method} {request.scope['route'].path}"
    if route in scopes.UNGUARDED:
        return
    with ExitStack() as opened:
        ask = cache(lambda: opened.enter_context(counting.connect()))  # only if there is a question
        caller = recognised(ask, request, settings, now=now)
        if isinstance(caller, Unauthorized) and route in scopes.PUBLIC:
            caller = Caller(name=address(request), scopes=frozenset())
        count(ask, request, caller, settings, now=now)
    if isinstance(caller, Unauthorized):
        raise caller
    admit(caller, route, request.path_params.get("request_id"))
    request.state.caller, request.state.now = caller, now


def recognised(
    ask: Ask, request: Request, settings: Settings, *, now: datetime
) -> Caller | Unauthorized:
    """Whose key it is; else the refusal, which is raised only after the call was counted."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key = api_keys.find(ask(), text.strip(), pepper=pepper_of(settings), now=now)
        return of_key(key) if key else BadApiKey(f"this key is not valid; {HOW}")
    if settings.access is Auth.REQUIRED:
        return Unauthorized(HOW)
    refuse_strangers(address(request))
    return Caller(name=address(request), scopes=frozenset(Scope))


def of_key(key: Known) -> Caller:
    return Caller(
        name=str(key.holder),
        scopes=frozenset(map(Scope, key.scopes)),
        holder=key.holder,
        request_id=key.request_id,
    )


def address(request: Request) -> str:
    """Of the connection itself: what a header says of it is the caller's own word."""
    return request.client.host if request.client else "local"


def refuse_strangers(host: str) -> None:
    """Without keys, answer this machine alone, whatever the API was told to listen on."""
    try:
        stranger = not ip_address(host).is_loopback
    except ValueError:
        return  # a Unix socket, or a test
    if stranger:
        raise OnlyFromHere("set LACUNA_AUTH=required, and make an API key for each caller")


def count(
    ask: Ask,
    request: Request,
    caller: Caller | Unauthorized,
    settings: Settings,
    *,
    now: datetime,
) -> None:
    """Take one from the caller's allowance; who has no valid key is counted by address."""
    if not settings.rate_limit:
        return
    name = caller.name if isinstance(caller, Caller) else address(request)
    allowance = Allowance(settings.rate_limit, seconds=60.0)
    standing = rates.spend(ask(), f"calls {name}", allowance, now=now)
    request.state.rate = headers(allowance, standing)
    if not standing.granted:
        raise RateLimited(
            f"at most {allowance.burst} requests a minute; see the header RateLimit",
            retry_seconds=standing.seconds,
        )


def headers(allowance: Allowance, standing: Standing) -> dict[str, str]:
    """As the draft httpapi-ratelimit-headers spells them."""
    return {
        "RateLimit-Policy": f'"minute";q={allowance.burst};w={allowance.seconds:.0f}',
        "RateLimit": f'"minute";r={standing.left};t={standing.seconds}',
    }


def admit(caller: Caller, route: str, asked_for: str | None) -> None:
    """Refuse a caller who lacks the route's scope; a person's token reads its request alone."""
    if route in scopes.PUBLIC:
        return
    if caller.request_id is not None:
        if route not in scopes.PERSONAL or asked_for != str(caller.request_id):
            raise NotThisRequest("this token reads one deletion request, its report and receipt")
        return
    scope = scopes.OF_ROUTE[route]
    if scope not in caller.scopes:
        raise MissingScope(f"this needs a key with the scope {scope}")


async def get_caller(request: Request) -> Caller:
    return request.state.caller


@dataclass(frozen=True)
class Quota:
    """What a caller may submit in a day, counted in the transaction that submits it.

    What is refused or repeated costs nothing. Spend last: until that transaction ends, the same
    caller's other submissions wait.
    """

    session: Session
    caller: Caller
    per_day: int
    now: datetime

    def spend(self, count: int) -> None:
        """Take so many deletion requests from the caller's quota. Raises QuotaSpent."""
        if self.per_day and count:
            self.require(
                rates.spend(self.session.connection(), *self.account, cost=count, now=self.now)
            )

    def look(self, count: int) -> None:
        """Raise QuotaSpent if so many are not left, before the work is done; takes nothing."""
        if self.per_day and count:
            self.require(
                rates.left(self.session.connection(), *self.account, cost=count, now=self.now)
            )

    @property
    def account(self) -> tuple[str, Allowance]:
        return f"requests {self.caller.name}", Allowance(self.per_day, seconds=DAY)

    def require(self, standing: Standing) -> None:
        if not standing.granted:
            raise QuotaSpent(
                f"at most {self.per_day} deletion requests a day; {standing.left} are left now",
                retry_seconds=standing.seconds,
            )


CallerDep = Annotated[Caller, Depends(get_caller)]


# What the guard left is read from the request: FastAPI goes through a dependency's own
# dependencies for each route that asks for it, also those that it has at hand.
async def get_quota(request: Request, session: SessionDep) -> Quota:
    per_day = request.app.state.settings.requests_per_day
    return Quota(session, request.state.caller, per_day, request.state.now)


QuotaDep = Annotated[Quota, Depends(get_quota)]
