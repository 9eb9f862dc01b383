"""Where the API listens: its URL, whether the port is free, whether it answers."""

import socket
from http.client import HTTPConnection, HTTPException

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, from here all lead back to us


def url(host: str, port: int) -> str:
    """The URL under which this machine reaches the API."""
    here = EVERYWHERE.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def obstacle(host: str, port: int) -> str | None:
    """Why nobody could listen there now; None where one could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As uvicorn does it: connections that have just been closed are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def answers(host: str, port: int, *, seconds: float = 1.0) -> bool:
    """Whether the API says that it is up."""
    connection = HTTPConnection(EVERYWHERE.get(host, host), port, timeout=seconds)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
