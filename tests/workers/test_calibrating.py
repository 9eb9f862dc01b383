"""A calibration with real processes: trials that are made once each, whatever happens."""

from pathlib import Path
from typing import Any

import pytest

from app.ledger import calibrations
from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import (
    active_job,
    ask_for,
    finished,
    state_of,
    train_first_version,
)


def trials(stack: Stack, name: str) -> list[dict[str, Any]]:
    return list(stack.get(f"/v1/models/{name}/calibration")["cells"])


def weights(stack: Stack) -> set[Path]:
    """Every file with weights, of the store and of jobs under way."""
    return set(Path(stack.environment["LACUNA_DATA_DIR"]).rglob("*.safetensors"))


@pytest.mark.timeout(240)
def test_a_calibration_that_is_killed_goes_on_and_teaches_the_next_decision(stack: Stack) -> None:
    train_first_version(stack, "taught", max_wait_seconds=0.0)
    plan = stack.get("/v1/models/taught/calibration")["plan"]
    kept = weights(stack)

    job = stack.post("/v1/models/taught:calibrate")["id"]
    stack.until(lambda: trials(stack, "taught"))
    stack.kill("worker")
    before = trials(stack, "taught")
    stack.start_worker()
    stack.until(lambda: state_of(stack, job) == "succeeded", seconds=150)

    found = stack.get("/v1/models/taught/calibration")
    assert plan["trials"] == len(found["cells"]) == len(calibrations.CELLS)
    assert plan["seconds"] > 0
    # What had been made is not made again.
    assert found["cells"][: len(before)] == before
    assert [cell["number"] for cell in found["cells"]] == list(range(len(found["cells"])))
    assert all(
        cell["seconds"]["retrain"] > 0 and cell["method"] == "hamu" for cell in found["cells"]
    )
    assert found["taught"]["job"] == job
    assert found["taught"]["rule"] == "matched"
    # Nothing was published, and no network of a trial is kept.
    assert [one["number"] for one in stack.get("/v1/models/taught/versions")] == [1]
    stack.until(lambda: weights(stack) == kept)  # the job's own folder goes last

    dry = stack.post("/v1/models/taught:assess", json={"subject": "taught-person-011"})["id"]
    stack.until(lambda: state_of(stack, dry) == "succeeded")
    decision = stack.get(f"/v1/jobs/{dry}")["decision"]
    told = decision["sources"]
    assert told["numbers"]["p_escalate"] == "calibration"
    assert told["numbers"]["cost_retrain"] == "measured"
    assert told["thresholds"]["max_rounds"] == "policy"
    assert told["thresholds"]["sigmas"] == "default"
    known, limits = found["taught"], decision["thresholds"]
    for name in ("stratum_share", "memorized_share"):
        taught = known[name] is not None
        assert told["thresholds"][name] == ("calibration" if taught else "default")
        assert not taught or limits[name] == known[name]
    chance = (known["escalated"] + 1) / (known["trials"] + 2)
    assert decision["numbers"]["p_escalate"] == pytest.approx(chance)


@pytest.mark.timeout(240)
def test_a_person_who_asks_comes_first_and_trials_go_on_from_the_new_version(stack: Stack) -> None:
    train_first_version(stack, "between", route="hamu", on_inconclusive="approve")
    job = stack.post("/v1/models/between:calibrate")["id"]
    stack.until(lambda: trials(stack, "between"))
    (asked,) = ask_for(stack, "between", 5)
    unlearning = active_job(stack, "between")

    def over() -> bool:
        if state_of(stack, unlearning) == "awaiting_approval":
            stack.post(f"/v1/jobs/{unlearning}:approve")
        return finished(stack, asked)

    stack.until(over, seconds=120)
    done = len(trials(stack, "between"))
    stack.until(lambda: len(trials(stack, "between")) > done)

    assert state_of(stack, job) == "training"
    assert {cell["version"] for cell in trials(stack, "between")} == {1, 2}
    stack.post(f"/v1/jobs/{job}:cancel")
    stack.until(lambda: state_of(stack, job) == "cancelled")
    assert stack.get("/v1/models/between/calibration")["taught"] is None
