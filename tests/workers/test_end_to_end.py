"""The whole way with real processes; each test has a dataset, people and a model of its own."""

import io
import json
import signal
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

import psutil
from standardwebhooks import Webhook as PublicClient

from app.evidence import note, receipt, withdrawals
from tests.workers import tiny
from tests.workers.conftest import SOON, Stack
from tests.workers.receiver import receiving

POLICY = {"max_wait_seconds": 0.0, "reference_seconds": 60.0}


def import_everyone(stack: Stack, name: str) -> None:
    pool = tiny.pool()
    assert pool.subjects is not None
    lines = "".join(
        json.dumps({"sample_id": sample_id, "subject": f"{name}-{subject}"}) + "\n"
        for sample_id, subject in zip(pool.ids, pool.subjects, strict=True)
    )
    stack.post("/v1/datasets", json={"name": name})
    stack.post(
        f"/v1/datasets/{name}/samples",
        content=lines,
        headers={"Content-Type": "application/x-ndjson"},
    )


def train_first_version(stack: Stack, name: str, **policy: object) -> None:
    import_everyone(stack, name)
    stack.until(lambda: stack.get("/v1/workers"))
    body = {"name": name, "recipe": "tiny", "dataset": name, "policy": POLICY | policy}
    stack.post("/v1/models", json=body)
    stack.until(lambda: stack.get(f"/v1/models/{name}")["live"])


def ask_for(stack: Stack, name: str, *people: int) -> list[str]:
    return [
        stack.post("/v1/deletion-requests", json={"subject": f"{name}-person-{person:03d}"})["id"]
        for person in people
    ]


def finished(stack: Stack, request_id: str) -> bool:
    return bool(stack.get(f"/v1/deletion-requests/{request_id}")["state"] == "completed")


def job_of(stack: Stack, request_id: str) -> str:
    """The job that carries a request out at its only model, once there is one."""

    def job() -> str | None:
        (erasure,) = stack.get(f"/v1/deletion-requests/{request_id}")["erasures"]
        return cast("str | None", erasure["job_id"])

    return str(stack.until(job))


def state_of(stack: Stack, job_id: str) -> str:
    return str(stack.get(f"/v1/jobs/{job_id}")["state"])


def stated(stack: Stack, request_id: str, weights: bytes) -> Mapping[str, Any]:
    """What a request's receipt states, checked, once the clerk has signed it."""
    path = f"/v1/deletion-requests/{request_id}/receipt"
    stack.until(lambda: stack.http.get(path).status_code == 200, seconds=SOON)
    keys = stack.http.get("/v1/ledger/key").text.splitlines()
    return receipt.verify(
        stack.http.get(path).content,
        log_keys=[note.parse_vkey(key) for key in keys],
        weights_digest=sha256(weights).hexdigest(),
        request_id=request_id,
    ).statement.predicate


def signed(stack: Stack, path: str) -> str:
    """The digest of the weights that a bundle is over, once the clerk has signed them."""
    bundle = stack.until(lambda: there(stack, path), seconds=SOON).json()
    statement = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))
    return str(statement["predicate"]["resources"][0]["digest"])


def there(stack: Stack, path: str) -> Any:
    response = stack.http.get(path)
    return response if response.status_code == 200 else None


def withdrawn(stack: Stack) -> set[str]:
    """The weights on the list of withdrawn versions, as the ledger signed it."""
    keys = stack.http.get("/v1/ledger/key").text.splitlines()
    served = stack.http.get("/v1/ledger/withdrawals").content
    listed = withdrawals.verify(served, [note.parse_vkey(key) for key in keys])
    return {each.version.weights_sha256 for each in listed.withdrawn}


def test_requests_end_in_one_new_audited_version_that_never_saw_the_samples(stack: Stack) -> None:
    train_first_version(stack, "batch", max_wait_seconds=2.0)

    asked = ask_for(stack, "batch", 1, 2, 3)
    stack.until(lambda: all(finished(stack, request_id) for request_id in asked))

    first, second = stack.get("/v1/models/batch/versions")
    assert (first["state"], second["state"]) == ("withdrawn", "published")
    assert second["training_set_size"] == tiny.POOL - 3 * tiny.EACH
    assert second["weights_digest"] != first["weights_digest"]
    assert stack.http.get("/v1/models/batch/versions/1/weights").status_code == 410
    weights = stack.http.get("/v1/models/batch/versions/2/weights")
    assert len(weights.content) == int(weights.headers["content-length"])
    assert signed(stack, "/v1/models/batch/versions/2/weights.sig") == second["weights_digest"]
    assert stack.http.get("/v1/models/batch/versions/1/weights.sig").status_code == 410
    stack.until(lambda: first["weights_digest"] in withdrawn(stack), seconds=SOON)
    job = stack.get(f"/v1/jobs/{second['job_id']}")
    assert job["state"] == "succeeded"
    assert job["verdict"] == "pass"
    assert job["decision"]["reasons"]
    page = stack.http.get(f"/v1/jobs/{job['id']}/report", headers={"Accept": "text/html"})
    assert "<svg" in page.text
    for request_id in asked:
        (outcome,) = stated(stack, request_id, weights.content)["outcomes"]
        assert outcome["job"]["id"] == job["id"]
        assert set(outcome["job"]["software"]) == {"lacuna", "python", "torch"}
        assert outcome["job"]["hardware"]["threads"] == 1


def test_a_job_whose_worker_is_killed_still_ends_with_exactly_one_new_version(stack: Stack) -> None:
    train_first_version(stack, "killed", route="retrain")
    (asked,) = ask_for(stack, "killed", 4)
    job = job_of(stack, asked)
    stack.until(lambda: state_of(stack, job) == "unlearning", every=0.05)

    stack.kill("worker")
    stack.start_worker()
    stack.until(lambda: finished(stack, asked))

    ended = stack.get(f"/v1/jobs/{job}")
    assert ended["state"] == "succeeded"
    assert ended["attempt"] == 2
    assert [version["number"] for version in stack.get("/v1/models/killed/versions")] == [1, 2]


def test_who_takes_jobs_has_a_nursery_before_the_first_comes_and_nobody_else(stack: Stack) -> None:
    stack.kill("worker")
    stack.start_worker()

    def nurseries(name: str) -> list[psutil.Process]:
        family = psutil.Process(stack.processes[name].pid).children(recursive=True)
        return [each for each in family if each.cmdline()[1:] == ["-m", "workers.child"]]

    stack.until(lambda: nurseries("worker"))
    assert not nurseries("clerk")


def test_a_request_posted_while_no_worker_runs_completes_when_one_comes(stack: Stack) -> None:
    train_first_version(stack, "absent", route="retrain")
    stack.kill("worker", signal.SIGTERM)

    (asked,) = ask_for(stack, "absent", 5)
    job = job_of(stack, asked)
    assert state_of(stack, job) == "queued"
    stack.start_worker()

    stack.until(lambda: finished(stack, asked))


def test_uploaded_weights_forget_like_trained_ones(stack: Stack) -> None:
    train_first_version(stack, "first", route="retrain")
    weights = stack.http.get("/v1/models/first/versions/1/weights").content
    body = {"name": "second", "recipe": "tiny", "dataset": "first", "train": False}
    stack.post("/v1/models", json=body | {"policy": POLICY})
    stack.post(
        "/v1/models/second/versions",
        files={
            "weights": io.BytesIO(weights),
            "training_set": io.BytesIO("\n".join(tiny.pool().ids).encode()),
        },
    )

    (asked,) = ask_for(stack, "first", 6)
    stack.until(lambda: finished(stack, asked))

    erasures = stack.get(f"/v1/deletion-requests/{asked}")["erasures"]
    assert {(erasure["model"], erasure["state"]) for erasure in erasures} == {
        ("first", "forgotten"),
        ("second", "forgotten"),
    }


def test_what_happens_reaches_a_webhook_through_clerk_and_courier(stack: Stack) -> None:
    stack.start_courier()
    with receiving() as receiver:
        body = {"url": receiver.url, "events": ["deletion_request.completed_no_data"]}
        webhook = stack.post("/v1/webhooks", json=body)

        asked = stack.post("/v1/deletion-requests", json={"subject": "nobody"})["id"]
        stack.until(lambda: receiver.heard)

    (heard,) = receiver.heard
    told = PublicClient(webhook["secret"]).verify(heard.body, heard.headers)
    assert told["data"]["id"] == asked
    log = f"/v1/webhooks/{webhook['id']}/deliveries?state=delivered"
    assert stack.until(lambda: stack.get(log)["items"])[0]["message"] == told
