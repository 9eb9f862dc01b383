"""Where webhooks may lead: which URLs are taken, and which addresses are connected to.

A URL comes from a caller and is fetched from inside our network, so it must not reach what only
that network may reach (server-side request forgery). The names are judged when a webhook is made;
the addresses when a connection is opened, for a name can lead elsewhere by then.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from app.config import Settings
from app.errors import Fault, Unprocessable

Address = IPv4Address | IPv6Address
INTRANETS = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
            *("fc00::/7", "::1/128"),
        ),
    )
)


class UrlNotAllowed(Unprocessable):
    """Webhooks may not be sent to this URL."""

    code = "url_not_allowed"


@dataclass(frozen=True)
class Rules:
    """What an operator lets webhooks reach beyond https:// on public addresses."""

    http: bool = False
    private_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        hosts = settings.webhook_private_hosts.lower().split()
        return cls(http=settings.webhook_http, private_hosts=frozenset(hosts))


def refuse_unusable(url: str, rules: Rules) -> None:
    """Raise UrlNotAllowed for a URL that no message will ever be sent to."""
    if why := obstacle(url, rules):
        raise UrlNotAllowed(f"this URL cannot be used: {why}", Fault("/url", "not_allowed", why))


def obstacle(url: str, rules: Rules) -> str | None:
    """Why a URL is not taken; a name is not looked up for it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not rules.http:
        return "it does not begin with https://"
    if parts.username is not None or parts.password is not None:
        return "it holds a user name or a password; messages are signed instead"
    if parts.fragment:
        return "it has a fragment, which is never sent"
    if (literal := literal_address(host)) and not may_reach(literal, host, rules):
        return "its address is not a public one"
    return None


def literal_address(host: str) -> Address | None:
    """The address that a host is written as, if it is one."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def may_reach(address: Address, host: str, rules: Rules) -> bool:
    """Whether a connection may be opened to this address, to which this host has led."""
    if host.lower() in rules.private_hosts:
        return is_public(address) or is_of_an_intranet(address)
    return is_public(address)


def is_public(address: Address) -> bool:
    """Whether anybody could reach it: the IANA registries say so, and nothing is hidden inside."""
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, IPv6Address) and address.is_site_local)
        and not wraps_another(address)
    )


def is_of_an_intranet(address: Address) -> bool:
    """Private, shared or loopback; never link-local, for that is where clouds keep credentials."""
    return any(address in network for network in INTRANETS)


def wraps_another(address: Address) -> bool:
    """IPv6 that stands for an IPv4 address: mapped, 6to4, Teredo. No receiver needs to be so."""
    return isinstance(address, IPv6Address) and any(
        inner is not None for inner in (address.ipv4_mapped, address.sixtofour, address.teredo)
    )
