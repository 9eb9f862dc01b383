"""Posting to real servers on this machine: what counts as taken, and what is never connected to."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from time import monotonic

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.egress import Address, Rules
from app.ledger.webhook_tables import AttemptOutcome
from tests.workers.receiver import Receiver, receiving, status
from workers.posting import Poster, pause

HERE = Rules(http=True, private_hosts=frozenset({"127.0.0.1", "hooks.example"}))
NAME = "hooks.example"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def leading_to(*addresses: str) -> Callable[[str, int], list[Address]]:
    return lambda host, port: [ip_address(address) for address in addresses]


def test_an_answer_of_2xx_means_that_it_was_taken(receiver: Receiver) -> None:
    answer = Poster(HERE, timeout=5).post(receiver.url, b"{}", {"x-told": "yes"})

    assert (answer.outcome, answer.status) == (AttemptOutcome.DELIVERED, 204)
    (heard,) = receiver.heard
    assert (heard.path, heard.body, heard.headers["x-told"]) == ("/hook", b"{}", "yes")
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("code", [400, 404, 410, 429, 500, 503])
def test_every_other_status_means_that_it_was_not(receiver: Receiver, code: int) -> None:
    receiver.answers(code)

    answer = Poster(HERE, timeout=5).post(receiver.url, b"{}", {})

    assert (answer.outcome, answer.status) == (AttemptOutcome.BAD_STATUS, code)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.scripts.append(status(307, Location=f"{receiver.url}/elsewhere"))

    answer = Poster(HERE, timeout=5).post(receiver.url, b"{}", {})

    assert (answer.outcome, answer.status) == (AttemptOutcome.BAD_STATUS, 307)
    assert [heard.path for heard in receiver.heard] == ["/hook"]


def test_a_proxy_in_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert Poster(HERE, timeout=5).post(receiver.url, b"{}", {}).outcome is AttemptOutcome.DELIVERED


def test_a_receiver_that_says_nothing_is_left_after_the_timeout(receiver: Receiver) -> None:
    def hang(_: BaseHTTPRequestHandler) -> None:
        receiver.over.wait()

    receiver.scripts.append(hang)

    answer = Poster(HERE, timeout=0.3).post(receiver.url, b"{}", {})

    assert (answer.outcome, answer.status) == (AttemptOutcome.TIMEOUT, None)


def test_a_receiver_that_drips_its_answer_is_left_after_the_timeout(receiver: Receiver) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.over.wait(0.1):  # each read is in time, all together are not
            handler.wfile.write(b"x-more: 1\r\n")

    receiver.scripts.append(drip)
    began = monotonic()

    answer = Poster(HERE, timeout=0.5).post(receiver.url, b"{}", {})

    assert answer.outcome is AttemptOutcome.TIMEOUT
    assert monotonic() - began < 5


def test_of_an_endless_body_nothing_is_read(receiver: Receiver) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not receiver.over.is_set():
            handler.wfile.write(b"x" * 65536)

    receiver.scripts.append(endless)

    answer = Poster(HERE, timeout=5).post(receiver.url, b"{}", {})

    assert (answer.outcome, answer.status) == (AttemptOutcome.DELIVERED, 200)


def test_where_nobody_listens_it_is_unreachable() -> None:
    with receiving() as gone:
        url = gone.url

    assert Poster(HERE, timeout=5).post(url, b"{}", {}).outcome is AttemptOutcome.UNREACHABLE


def test_what_is_no_http_is_unreachable(receiver: Receiver) -> None:
    def greet(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 mail\r\n\r\n")

    receiver.scripts.append(greet)

    assert (
        Poster(HERE, timeout=5).post(receiver.url, b"{}", {}).outcome is AttemptOutcome.UNREACHABLE
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://2130706433:{}/"]
)
def test_a_private_address_is_refused_however_it_is_written(receiver: Receiver, url: str) -> None:
    answer = Poster(Rules(http=True), timeout=5).post(url.format(receiver.port), b"{}", {})

    assert answer.outcome is AttemptOutcome.ADDRESS_REFUSED
    assert receiver.heard == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.7"], ["::ffff:127.0.0.1"]]
)
def test_a_name_that_leads_to_a_private_address_is_refused(
    receiver: Receiver, addresses: list[str]
) -> None:
    poster = Poster(Rules(http=True), timeout=5, resolve=leading_to(*addresses))

    answer = poster.post(f"http://{NAME}:{receiver.port}/", b"{}", {})

    assert answer.outcome is AttemptOutcome.ADDRESS_REFUSED
    assert receiver.heard == []


def test_a_name_is_resolved_once_and_the_connection_goes_where_it_led(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "127.0.0.2")]

    poster = Poster(HERE, timeout=5, resolve=rebinding)

    answer = poster.post(f"http://{NAME}:{receiver.port}/hook", b"{}", {})

    assert answer.outcome is AttemptOutcome.DELIVERED
    assert asked == [NAME]
    assert receiver.heard[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_a_name_that_leads_nowhere_is_unreachable() -> None:
    def unknown(host: str, port: int) -> list[Address]:
        raise OSError("no such name")

    for resolve in (unknown, leading_to()):
        poster = Poster(HERE, timeout=5, resolve=resolve)
        assert poster.post(f"http://{NAME}/", b"{}", {}).outcome is AttemptOutcome.UNREACHABLE


def test_the_next_address_is_tried_where_the_first_does_not_answer(receiver: Receiver) -> None:
    poster = Poster(HERE, timeout=5, resolve=leading_to("127.0.0.9", "127.0.0.1"))

    answer = poster.post(f"http://{NAME}:{receiver.port}/", b"{}", {})

    assert answer.outcome is AttemptOutcome.DELIVERED


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """A certificate for NAME, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certified.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_keeps_the_name_although_the_connection_goes_to_an_address(certified: Path) -> None:
    asked: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified)
    context.sni_callback = lambda _, name, __: asked.append(name)
    trusted = ssl.create_default_context(cafile=str(certified))

    with receiving(context) as receiver:
        sure = Poster(HERE, 5, leading_to("127.0.0.1"), trusted)
        right = sure.post(f"https://{NAME}:{receiver.port}/", b"{}", {})
        wrong = sure.post(f"https://127.0.0.1:{receiver.port}/", b"{}", {})
        strange = Poster(HERE, 5, leading_to("127.0.0.1")).post(
            f"https://{NAME}:{receiver.port}/", b"{}", {}
        )

    assert right.outcome is AttemptOutcome.DELIVERED
    assert asked[0] == NAME
    assert [wrong.outcome, strange.outcome] == [AttemptOutcome.UNREACHABLE] * 2
    assert len(receiver.heard) == 1


@pytest.mark.parametrize("text", ["", "soon", "-5", "9" * 5000, "1e3", "99999999999999999999"])
def test_a_retry_after_that_cannot_be_read_says_nothing(text: str) -> None:
    assert pause(text) is None


def test_a_retry_after_is_seconds_or_a_date() -> None:
    assert pause("120") == timedelta(seconds=120)
    told = pause("Fri, 01 Jan 2100 00:00:00 GMT")
    assert told is not None
    assert told > timedelta(days=365)
