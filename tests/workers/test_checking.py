"""A published version is held against a true retrain with real processes."""

from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import ask_for, finished, state_of, train_first_version


def test_a_version_that_the_lot_chose_is_held_against_a_retrain_that_is_destroyed(
    stack: Stack,
) -> None:
    train_first_version(stack, "checked", route="hamu", oracle_share=1.0, on_inconclusive="approve")
    (asked,) = ask_for(stack, "checked", 1)
    # Whatever the audit says of so few samples, it is published.
    stack.until(lambda: finished(stack, asked) or approved(stack))

    found = stack.until(lambda: ended(stack))

    (check,) = found["checks"]
    assert check["verdict"] in {"pass", "escalate", "inconclusive"}
    assert check["sentences"]
    assert found["checked"] + found["unsettled"] == 1
    assert found["defects"] == (check["verdict"] == "escalate")
    stack.until(lambda: state_of(stack, check["job"]) == "succeeded")
    report = stack.get(f"/v1/jobs/{check['job']}/report")
    assert report["checked"]["verdict"] == check["verdict"]
    assert len(report["checked"]["destroyed"]) == 64
    assert report["timeline"][-1]["facts"]["verdict"] == check["verdict"]
    assert report["pipeline"]["defects"] == found["defects"]


def approved(stack: Stack) -> bool:
    """Approve whatever waits for a person; False, as it goes on then."""
    for job in stack.get("/v1/jobs?state=awaiting_approval")["items"]:
        stack.post(f"/v1/jobs/{job['id']}:approve")
    return False


def ended(stack: Stack) -> object:
    found = stack.get("/v1/models/checked/checks")
    return found if found["checks"] and found["checks"][0]["ended_at"] else None
