"""Posts one message to an address that a caller named, and goes nowhere else.

The guard sits where sockets are opened: a name is resolved once, every address that it leads to is
judged, and the connection goes to one of those. TLS and the Host header keep the name. There are no
redirects, no proxies and no environment, and of the answer only its head is read.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from time import monotonic
from typing import Any

import httpcore2

from app.egress import Address, Rules, may_reach
from app.ledger.turns import Answer
from app.ledger.webhook_tables import AttemptOutcome

Resolve = Callable[[str, int], Iterable[Address]]


class AddressRefused(httpcore2.ConnectError):
    """The name leads where webhooks may not."""


def resolved(host: str, port: int) -> list[Address]:
    """All addresses of a host, as the system knows them; a literal is its own."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


@dataclass(frozen=True)
class Deadline:
    """The one limit for a whole exchange, however slowly its bytes come."""

    at: float

    def left(self) -> float:
        """Seconds that are left; raises the timeout when there are none."""
        if (seconds := self.at - monotonic()) <= 0:
            raise httpcore2.ReadTimeout("the whole exchange took too long")
        return seconds


@dataclass(frozen=True)
class Guard(httpcore2.NetworkBackend):
    """Opens connections to addresses that the rules allow."""

    rules: Rules
    deadline: Deadline
    resolve: Resolve = resolved
    plain: httpcore2.SyncBackend = field(default_factory=httpcore2.SyncBackend)

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        refusal: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in self.checked(host, port):
            try:
                stream = self.plain.connect_tcp(str(address), port, timeout=self.deadline.left())
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                refusal = error
            else:
                return Timed(stream, self.deadline)
        raise refusal or httpcore2.ConnectError("the name has no address")

    def checked(self, host: str, port: int) -> list[Address]:
        """The addresses of a host; one bad one among them and none is used."""
        try:
            addresses = list(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name cannot be resolved") from error
        if not all(may_reach(address, host, self.rules) for address in addresses):
            raise AddressRefused("the name leads to an address that webhooks may not reach")
        return addresses


@dataclass(frozen=True)
class Timed(httpcore2.NetworkStream):
    """A stream whose every step ends with the deadline."""

    plain: httpcore2.NetworkStream
    deadline: Deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.plain.read(max_bytes, self.deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.plain.write(buffer, self.deadline.left())

    def close(self) -> None:
        self.plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        inner = self.plain.start_tls(ssl_context, server_hostname, self.deadline.left())
        return Timed(inner, self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.plain.get_extra_info(info)


@dataclass(frozen=True)
class Poster:
    """How messages leave: by which rules, how patiently; the rest is for tests."""

    rules: Rules
    timeout: float  # seconds for the whole exchange
    resolve: Resolve = resolved
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What came of posting it; whatever the network does, this returns."""
        began = monotonic()
        try:
            status, retry_after = self.exchange(url, body, headers)
        except AddressRefused:
            return Answer(AttemptOutcome.ADDRESS_REFUSED, monotonic() - began)
        except httpcore2.TimeoutException:
            return Answer(AttemptOutcome.TIMEOUT, monotonic() - began)
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            return Answer(AttemptOutcome.UNREACHABLE, monotonic() - began)
        outcome = AttemptOutcome.DELIVERED if 200 <= status < 300 else AttemptOutcome.BAD_STATUS
        return Answer(outcome, monotonic() - began, status, pause(retry_after))

    def exchange(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Send it on a connection of its own; returns status and Retry-After."""
        guard = Guard(self.rules, Deadline(monotonic() + self.timeout), self.resolve)
        with (
            httpcore2.ConnectionPool(
                network_backend=guard, ssl_context=self.trusted, http2=False, retries=0
            ) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
        ):
            headers_in = {name.lower(): value for name, value in response.headers}
            retry_after = headers_in.get(b"retry-after", b"").decode("ascii", errors="replace")
            return response.status, retry_after


def pause(retry_after: str) -> timedelta | None:
    """A Retry-After as the time from now (RFC 9110, 10.2.3); None where it cannot be read."""
    try:
        if retry_after.isascii() and retry_after.isdigit():
            return timedelta(seconds=int(retry_after))
        return parsedate_to_datetime(retry_after) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
