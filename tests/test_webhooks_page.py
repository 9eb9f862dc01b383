"""What docs/webhooks.md shows is so."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app import webhook_signing
from app.config import Settings
from app.ledger.outbox import EventType
from app.ledger.turns import SCHEDULE
from app.ledger.webhook_tables import Signing

PAGE = (Path(__file__).parents[1] / "docs/webhooks.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_lines_that_verify_a_message_do_so() -> None:
    key = bytes(range(32))
    headers = webhook_signing.headers(
        [key], Signing.HMAC, message_id="msg_1", at=datetime.now(UTC), body=b'{"type": "x"}'
    )
    given: dict[str, Any] = {"secret": webhook_signing.secret(key), "headers": headers}

    genuine, forged = given | {"body": b'{"type": "x"}'}, given | {"body": b'{"type": "y"}'}
    for names in (genuine, forged):
        exec(block("python"), names)  # noqa: S102  # our own documentation

    assert genuine["message"] == {"type": "x"}
    assert forged["message"] is None


def test_every_type_of_event_is_explained() -> None:
    explained = re.findall(r"^\| `([a-z0-9_.]+)` \| \w", PAGE, flags=re.MULTILINE)

    assert sorted(explained) == sorted(EventType)
    assert json.loads(re.sub("…", "", block("json")))["type"] in explained


def test_the_schedule_is_the_one_that_is_kept() -> None:
    (row,) = re.findall(r"^\| seconds after the one before \| (.*) \|$", PAGE, flags=re.MULTILINE)

    assert tuple(map(int, row.split(" | "))) == SCHEDULE


def test_the_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"LACUNA_(\w+)", PAGE))

    assert named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()
