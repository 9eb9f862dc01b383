import socket
from collections.abc import Iterator

import pytest

from app.cli import address


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else, who listens on a port and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_taken_port_is_an_obstacle(listener: socket.socket) -> None:
    host, port = listener.getsockname()

    assert address.obstacle(host, port) == "Address already in use"


def test_a_port_that_was_given_up_is_none(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    listener.close()

    assert address.obstacle(host, port) is None


def test_an_address_of_another_machine_is_an_obstacle() -> None:
    assert address.obstacle("192.0.2.1", 8000) == "Cannot assign requested address"


def test_who_listens_but_does_not_answer_is_not_the_api(listener: socket.socket) -> None:
    host, port = listener.getsockname()

    assert not address.answers(host, port, seconds=0.1)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104, the case under test
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("lacuna.example", "http://lacuna.example:80"),
    ],
)
def test_the_url_is_one_that_this_machine_can_open(host: str, url: str) -> None:
    assert address.url(host, 80) == url
