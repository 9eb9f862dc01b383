"""References with real processes: trained in pieces, scored, destroyed, and used."""

import math

from app.db import connect, sessions_of, transaction
from app.ledger import model_lines, references, versions
from app.ledger.references import DESIGN
from tests.workers.conftest import Stack
from tests.workers.test_end_to_end import (
    ask_for,
    finished,
    job_of,
    state_of,
    train_first_version,
)


def test_references_are_built_through_a_kill_and_then_steer_and_judge(stack: Stack) -> None:
    train_first_version(stack, "steered", route="hamu", max_wait_seconds=2.0)

    job = stack.post("/v1/models/steered:build-references")["id"]
    stack.until(
        lambda: stack.get(f"/v1/jobs/{job}")["progress"].get("words", "").startswith("ref"),
        every=0.1,
    )
    stack.kill("worker")
    stack.start_worker()
    stack.until(lambda: state_of(stack, job) == "succeeded")
    asked = ask_for(stack, "steered", 7, 8, 9)
    unlearning = job_of(stack, asked[0])
    stack.until(lambda: all(finished(stack, request) for request in asked))

    assert stack.http.get(f"/v1/jobs/{job}/report").status_code == 200
    report = stack.get(f"/v1/jobs/{unlearning}/report")
    first_run = [*report["overruled"], report["run"]][0]
    assert report["hardness"]["deficit"]["rule"] == "reference"
    assert first_run["route"] == "hamu"
    judged = report["audit"] if first_run is report["run"] else first_run["audit"]
    assert "from that on the reference" in " ".join(judged["sentences"])
    assert report["costs"]["reference"] is None
    gone = stack.get(f"/v1/jobs/{job}/report")["destroyed"]
    assert len(set(gone)) == DESIGN.count
    # Those that judge, and none of those that steered: the ledger has them in this order.
    assert report["audit"]["destroyed"] == gone[-DESIGN.parts * DESIGN.judging :]


def test_a_dry_run_says_what_forgetting_would_take(stack: Stack) -> None:
    train_first_version(stack, "dry")

    job = stack.post("/v1/models/dry:assess", json={"subject": "dry-person-011"})["id"]
    stack.until(lambda: state_of(stack, job) == "succeeded")

    report = stack.get(f"/v1/jobs/{job}/report")
    assert report["decision"]["route"] in ("hamu", "retrain")
    assert report["decision"]["numbers"]["cost_retrain"] > 0
    assert report["decision"]["advice"].startswith("A reference table would cost 9 retrains")
    assert report["hardness"]["samples"] == 10
    # The training's own log says what was memorized; nothing has to be trained for it.
    assert report["hardness"]["memorization"]["proxy"] == "confidence"
    assert (report["run"], report["audit"], report["after"]) == (None, None, None)
    page = stack.http.get(f"/v1/jobs/{job}/report", headers={"Accept": "text/html"})
    assert "would be forgotten" in page.text
    assert len(stack.get("/v1/models/dry/versions")) == 1


def test_what_references_said_of_a_person_goes_with_the_person(stack: Stack) -> None:
    train_first_version(stack, "gone", route="hamu", on_inconclusive="approve")
    job = stack.post("/v1/models/gone:build-references")["id"]
    stack.until(lambda: state_of(stack, job) == "succeeded")
    (asked,) = ask_for(stack, "gone", 3)
    ended = job_of(stack, asked)

    def over() -> bool:
        if state_of(stack, ended) == "awaiting_approval":
            stack.post(f"/v1/jobs/{ended}:approve")
        return finished(stack, asked)

    stack.until(over)

    engine = connect(stack.environment["LACUNA_DATABASE_URL"])
    with transaction(sessions_of(engine)) as session:
        line = model_lines.get(session, "gone")
        live = versions.live(session, line.id)
        assert live is not None
        generation, rounds = versions.last_exact(session, live)
        rows = [
            row
            for judging in (False, True)
            for row in references.complete(session, generation, judging=judging)
        ]
        forgotten = generation.training_set - live.training_set
        if rounds == 0:  # the audit had it retrained: the whole table went
            assert rows == []
        for row in rows:
            known = references.losses_of(row, generation.training_set, live.training_set)
            of_gone = references.losses_of(row, generation.training_set, forgotten)
            assert all(map(math.isnan, of_gone))
            assert not any(map(math.isnan, known))
            assert not row.left_out & forgotten
        assert len(rows) in (0, DESIGN.count)
    engine.dispose()


def scored(stack: Stack, name: str) -> int:
    """How many references of the live version have been trained and scored."""
    engine = connect(stack.environment["LACUNA_DATABASE_URL"])
    with transaction(sessions_of(engine)) as session:
        live = versions.live(session, model_lines.get(session, name).id)
        count = 0 if live is None else references.have(session, live.id)
    engine.dispose()
    return count


def test_references_of_a_generation_that_has_ended_are_given_up_and_named(stack: Stack) -> None:
    train_first_version(stack, "ended", route="retrain")
    job = stack.post("/v1/models/ended:build-references")["id"]
    again = stack.http.post("/v1/models/ended:build-references")
    stack.until(lambda: scored(stack, "ended") > 0, every=0.1)
    (asked,) = ask_for(stack, "ended", 2)

    stack.until(lambda: finished(stack, asked))
    stack.until(lambda: state_of(stack, job) == "cancelled")

    assert again.status_code == 409
    # Their scores went with the generation; what they were is in the entry of the job's end.
    gone = stack.get(f"/v1/jobs/{job}/report")["destroyed"]
    assert 0 < len(set(gone)) == len(gone) < DESIGN.count
