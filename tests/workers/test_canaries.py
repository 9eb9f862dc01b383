"""Canaries with real processes: trained by coins, ridden, audited; one that asks is forgotten."""

from models.auditing.coin_test import least_p
from tests.workers import tiny
from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import ask_for, finished, job_of, train_first_version


def test_a_report_says_what_the_coins_say_and_what_leak_they_would_have_shown(stack: Stack) -> None:
    train_first_version(stack, "coins", route="hamu", canary_share=0.5, on_inconclusive="approve")
    (first,) = stack.get("/v1/models/coins/versions")

    asked = ask_for_one_who_was_trained_on(stack)
    job = job_of(stack, asked)
    stack.until(lambda: over(stack, job, asked))

    report = stack.get(f"/v1/jobs/{job}/report")
    told = report["audit"]["canaries"]
    out = tiny.POOL - first["training_set_size"]
    assert out % tiny.EACH == 0
    assert 2 * tiny.EACH <= out <= tiny.POOL // 2
    assert told["riders"] + told["never_seen"] == 12
    assert report["batch"]["riders"] == told["riders"] * tiny.EACH
    assert report["batch"]["forget"] == report["batch"]["riders"] + tiny.EACH
    said = " ".join(report["audit"]["sentences"])
    if least_p(told["riders"], told["never_seen"]) > told["level"]:  # one fall of coins in 25
        assert (told["outcome"], told["before"]) == ("inconclusive", None)
        assert f"{told['riders']} riders and {told['never_seen']} canaries" in said
    else:
        assert told["outcome"] in ("alike", "told_apart")
        assert told["jobs"] == 1
        assert told["before"]["low"] >= 0
        assert f"The coins of {told['riders']} riders" in said
    page = stack.http.get(f"/v1/jobs/{job}/report", headers={"Accept": "text/html"})
    assert "What coins say that were flipped before the training" in page.text


def ask_for_one_who_was_trained_on(stack: Stack) -> str:
    """Whose coin had fallen out owes nothing: then the next person asks."""
    for person in range(tiny.POOL // tiny.EACH):
        (asked,) = ask_for(stack, "coins", person)
        if stack.get(f"/v1/deletion-requests/{asked}")["state"] != "completed_no_data":
            return asked
    raise AssertionError("nobody was trained on")


def over(stack: Stack, job: str, asked: str) -> bool:
    if stack.get(f"/v1/jobs/{job}")["state"] == "awaiting_approval":
        stack.post(f"/v1/jobs/{job}:approve")
    return finished(stack, asked)
