"""Every POST can be repeated without harm: by a key, by its state, or for a reason given here."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api.repeats import REFUSALS
from app.ledger import batching, model_lines
from tests.api.conftest import Call
from tests.api.repeating import stated
from tests.factories import (
    NOW,
    announce_worker,
    claim,
    make_child,
    make_request,
    make_version,
)

REQUESTS, REQUEST = "/v1/deletion-requests", "/v1/deletion-requests/{request_id}"
WEBHOOKS, WEBHOOK = "/v1/webhooks", "/v1/webhooks/{webhook_id}"
WORKER = "/v1/workers/{name}"
ONCE = "each makes a secret that is kept nowhere; the header is refused"
WITHOUT_A_KEY = {
    "/v1/api-keys": ONCE,
    "/v1/api-keys/{key_id}:rotate": ONCE,
    f"{REQUEST}:token": ONCE,
    f"{WEBHOOK}/deliveries/{{delivery_id}}:replay": "a receiver knows the message by its id",
    "/v1/ledger/checkpoint/cosignatures": "a cosignature that is there is not kept twice",
}
WORDS: dict[str, dict[str, Any]] = {
    "extend": {"reason": "complexity", "notice": "letter 1"},
    "hold": {"reason": "other"},
    "release": {"reason": "other"},
    "deny": {"reasons": ["no_match"], "notice": "letter 1"},
    "cancel": {"reason": "a mistake"},
    "withdraw": {"reason": "defective"},
    "confirm-withdrawn": {"notice": "letter 1"},
}


Named = dict[str, Any]  # what stands in a path


def asked(session: Session, post: Call) -> Named:
    return {"request_id": post(REQUESTS, subject="ada")["id"]}


def unverified(session: Session, post: Call) -> Named:
    return {"request_id": post(REQUESTS, subject="ada", verify_first=True)["id"]}


def held(session: Session, post: Call) -> Named:
    request = asked(session, post)
    post(f"{REQUESTS}/{request['request_id']}:hold", **WORDS["hold"])
    return request


def worked_on(session: Session, post: Call) -> Named:
    """A job whose worker is yet to stop."""
    make_request(session, "ada")
    line = model_lines.get(session, "faces")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    assert claim(session, job) is not None
    return {"job_id": job.id}


def replaced(session: Session, post: Call) -> Named:
    make_version(session, model_lines.get(session, "faces"))
    return {"name": "faces", "number": 1}


def derived(session: Session, post: Call) -> Named:
    line = model_lines.get(session, "faces")
    return {"derived_id": make_child(session, make_version(session, line)).row.id}


def hook(session: Session, post: Call) -> Named:
    told = {"url": "https://hooks.example.com/x", "events": ["job.failed"]}
    return {"webhook_id": post(WEBHOOKS, **told)["id"]}


def disabled(session: Session, post: Call) -> Named:
    webhook = hook(session, post)
    post(f"{WEBHOOKS}/{webhook['webhook_id']}:disable")
    return webhook


def working(session: Session, post: Call) -> Named:
    return {"name": "worker"}


def paused(session: Session, post: Call) -> Named:
    post("/v1/workers/worker:pause")
    return {"name": "worker"}


ACTIONS: dict[str, Callable[[Session, Call], Named]] = {
    f"{REQUEST}:verify": unverified,
    f"{REQUEST}:extend": asked,
    f"{REQUEST}:hold": asked,
    f"{REQUEST}:release": held,
    f"{REQUEST}:deny": asked,
    f"{REQUEST}:cancel": asked,
    "/v1/jobs/{job_id}:cancel": worked_on,
    "/v1/models/{name}/versions/{number}:withdraw": replaced,
    "/v1/derived-versions/{derived_id}:confirm-withdrawn": derived,
    f"{WEBHOOK}:disable": hook,
    f"{WEBHOOK}:enable": disabled,
    f"{WORKER}:pause": working,
    f"{WORKER}:drain": working,
    f"{WORKER}:resume": paused,
}


@pytest.fixture(autouse=True)
def live(session: Session) -> None:
    announce_worker(session)
    make_version(session)


@pytest.mark.parametrize("route", ACTIONS)
def test_an_action_that_is_sent_again_is_refused_or_changes_nothing(
    session: Session, post: Call, http: TestClient, route: str
) -> None:
    path = route.format(**ACTIONS[route](session, post))
    session.commit()
    before = stated(session)
    words = WORDS.get(route.rpartition(":")[2], {})
    first = http.post(path, json=words)
    entries = stated(session)

    second = http.post(path, json=words)

    assert first.status_code == 200, first.text
    assert entries > before or route.startswith("/v1/jobs/")  # that worker has to stop first
    assert stated(session) == entries
    if second.status_code == 200:
        assert second.json() == first.json()
    else:
        assert second.status_code == 409, second.text


def documented(operation: dict[str, Any]) -> bool:
    """Whether an operation takes an Idempotency-Key."""
    return any(
        each["name"].lower() == "idempotency-key" for each in operation.get("parameters", ())
    )


def test_every_post_can_be_repeated(app: FastAPI) -> None:
    posts = {
        path: operations["post"]
        for path, operations in app.openapi()["paths"].items()
        if "post" in operations
    }
    making = {path for path in posts if {"201", "202"} & posts[path]["responses"].keys()}
    keyed = {path for path in posts if documented(posts[path])}

    assert making - keyed - WITHOUT_A_KEY.keys() == set(), "have it take RepeatsDep"
    assert posts.keys() - keyed - WITHOUT_A_KEY.keys() - ACTIONS.keys() == set(), "try it twice"
    assert keyed & (WITHOUT_A_KEY.keys() | ACTIONS.keys()) == set(), "it takes a key: off the list"
    assert (WITHOUT_A_KEY.keys() | ACTIONS.keys()) - posts.keys() == set(), "there is no such POST"


def test_where_a_key_can_be_sent_its_refusals_are_documented(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            if documented(operation):
                told = str(operation["responses"])
                silent = [kind.code for kind in REFUSALS if f"`{kind.code}`" not in told]
                assert silent == [], path
