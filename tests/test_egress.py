from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.egress import Address, Rules, UrlNotAllowed, may_reach, refuse_unusable

HOST = "hooks.corp"
PLAIN = Rules()
INTRANET = Rules(private_hosts=frozenset({HOST}))
NEVER = [
    "0.0.0.0",  # noqa: S104  # to be refused, not listened on
    "0.1.2.3",
    "169.254.169.254",  # where clouds keep credentials
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.215.14",
    "::127.0.0.1",
    "2002:7f00:1::",  # 6to4 for 127.0.0.1
    "2001:0:7f00:1::",  # Teredo
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b:1::7f00:1",
    "fec0::1",
    "100::1",
]
INTRANETS = ["10.0.0.7", "127.0.0.1", "127.9.9.9", "172.16.0.1", "192.168.1.1", "::1", "fd00::7"]
PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"]


@pytest.mark.parametrize("text", NEVER)
def test_what_is_no_receivers_address_is_never_reached(text: str) -> None:
    assert not may_reach(ip_address(text), HOST, PLAIN)
    assert not may_reach(ip_address(text), HOST, INTRANET)


@pytest.mark.parametrize("text", INTRANETS)
def test_private_addresses_are_reached_for_listed_hosts_only(text: str) -> None:
    assert not may_reach(ip_address(text), HOST, PLAIN)
    assert not may_reach(ip_address(text), f"x.{HOST}", INTRANET)
    assert may_reach(ip_address(text), HOST.upper(), INTRANET)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_reached(text: str) -> None:
    assert may_reach(ip_address(text), HOST, PLAIN)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_that_the_registries_call_special_is_reached(address: Address) -> None:
    special = not address.is_global or address.is_multicast

    assert not (special and may_reach(address, HOST, PLAIN))


@given(st.ip_addresses(v=4))
def test_an_address_of_the_old_kind_in_one_of_the_new_is_never_reached(inner: IPv4Address) -> None:
    mapped = IPv6Address(b"\0" * 10 + b"\xff\xff" + inner.packed)
    translated = IPv6Address(IPv6Address("64:ff9b::").packed[:12] + inner.packed)

    for address in (mapped, translated):
        assert not may_reach(address, HOST, PLAIN)
        assert not may_reach(address, HOST, INTRANET)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "https://"),
        ("https://ada:pw@hooks.example/", "password"),
        ("https://ada@hooks.example/", "password"),
        ("https://hooks.example/#part", "fragment"),
        ("https://127.0.0.1/", "public"),
        ("https://[::1]:8443/", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
    ],
)
def test_a_url_that_will_never_do_is_refused_at_once(url: str, why: str) -> None:
    with pytest.raises(UrlNotAllowed, match=why):
        refuse_unusable(url, PLAIN)


def test_an_operator_may_allow_http_and_listed_hosts() -> None:
    refuse_unusable("https://hooks.example/in?for=lacuna", PLAIN)
    refuse_unusable("http://10.0.0.7/", Rules(http=True, private_hosts=frozenset({"10.0.0.7"})))
