"""A calibration with real processes: trials that are made once each, whatever happens."""

from pathlib import Path
from typing import Any

from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import (
    ask_for,
    finished,
    job_of,
    state_of,
    train_first_version,
)


def trials(stack: Stack, name: str) -> list[dict[str, Any]]:
    return list(stack.get(f"/v1/models/{name}/calibration")["cells"])


def weights(stack: Stack) -> set[Path]:
    """Every file with weights, of the store and of jobs under way."""
    return set(Path(stack.environment["LACUNA_DATA_DIR"]).rglob("*.safetensors"))


def test_trials_outlast_a_kill_and_a_request_and_leave_no_network_behind(stack: Stack) -> None:
    train_first_version(stack, "taught", route="retrain")
    stack.http.patch("/v1/models/taught", json={"policy": {"route": "auto"}})
    job = stack.post("/v1/models/taught:calibrate")["id"]
    stack.until(lambda: trials(stack, "taught"))
    stack.kill("worker")
    before = trials(stack, "taught")
    kept = {path for path in weights(stack) if "store" in path.parts}
    stack.http.patch("/v1/models/taught", json={"policy": {"route": "retrain"}})
    (asked,) = ask_for(stack, "taught", 5)
    job_of(stack, asked)

    stack.start_worker()
    stack.until(lambda: finished(stack, asked))
    at_the_request = len(trials(stack, "taught"))
    stack.until(lambda: len(trials(stack, "taught")) > at_the_request)
    stack.post(f"/v1/jobs/{job}:cancel")
    stack.until(lambda: state_of(stack, job) == "cancelled")

    cells = trials(stack, "taught")
    assert cells[: len(before)] == before  # what had been made is not made again
    assert [cell["number"] for cell in cells] == list(range(len(cells)))
    assert all(cell["seconds"]["retrain"] > 0 for cell in cells)
    assert {cell["version"] for cell in cells} == {1, 2}  # it goes on from what is live
    gone = stack.get(f"/v1/jobs/{job}/report")["destroyed"]
    assert len(cells) <= len(set(gone)) == len(gone)  # a cancelled job names them as well
    assert [one["number"] for one in stack.get("/v1/models/taught/versions")] == [1, 2]
    assert stack.get("/v1/models/taught/calibration")["taught"] is None
    stack.until(lambda: len(weights(stack) - kept) == 1)  # the new version's, and no trial's
