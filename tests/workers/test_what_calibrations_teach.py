"""What the end of a calibration leaves behind, and what the next decision makes of it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.db import transaction
from app.ledger import batching, calibrations, clocks, dry_runs, model_lines, references
from app.ledger.calibrations import CELLS
from app.ledger.log_tables import LedgerEntry
from app.ledger.reasons import ExtensionReason
from app.ledger.states import JobState
from app.ledger.tables import Job
from app.ledger.transitions import move
from models.decision_terms import Route
from models.hardness.record import Hardness, TargetRule
from tests.factories import (
    NOW,
    claim,
    make_dataset,
    make_erasure,
    make_model,
    make_version,
    ordinals,
)
from tests.models.test_decision import make_deficit, make_hardness
from workers import calibration_steps
from workers.deciding import decided
from workers.desk import Assignment, Desk
from workers.station import Station


def hardness(*, stratum: float = 0.1, rule: str = "matched", size: float = 0.01) -> Hardness:
    usual = make_hardness(deficit=make_deficit(1.0, rule=rule, spread=None, exposed=None))
    record = asdict(usual)
    record["shares"] |= {"strata": {"3": stratum}, "total": size}
    return Hardness.of(record)


def outcome(number: int) -> dict[str, Any]:
    """Every trial passes but the large one of one stratum."""
    kind = CELLS[number]
    fails = (kind.share, kind.high, kind.skewed) == (0.05, False, True)
    return {
        "method": "hamu",
        "verdict": "escalate" if fails else "pass",
        "seconds": {"unlearn": 0.4, "retrain": 2.0, "assess": 0.1, "audit": 0.1},
        "hardness": asdict(hardness(stratum=0.4 if kind.skewed else 0.1)),
        "retrained_exposed": None,
        "destroyed": [f"{number:064x}"],
    }


def calibrated(station: Station) -> Desk:
    """The desk of a worker that has made all trials."""
    with transaction(station.sessions) as session:
        line = make_model(session, make_dataset(session))
        make_version(session, line)
        job = calibrations.queue(session, line, now=NOW)
        claim(session, job)
        move(session, job, JobState.TRAINING, now=NOW)
        for number in range(len(CELLS)):
            calibrations.add(session, job, number, outcome(number), now=NOW)
        move(session, job, JobState.PUBLISHING, now=NOW)
        session.refresh(job, ["model"])
        assignment = Assignment.of(session, job)
    # The last step asks nothing of the child, and has no progress to tell.
    return Desk(
        station, assignment, station.settings.data_dir, cast("Any", None), cast("Any", None)
    )


def dry_run(session: Session) -> Job:
    line = model_lines.get(session, "faces")
    ada = ordinals(session, line.dataset, "ada")
    job = dry_runs.queue(session, line, ada, now=NOW)
    session.refresh(job, ["model"])
    return job


def assessed(**measured: Any) -> dict[str, Any]:
    return {
        "hardness": asdict(hardness(**measured)),
        "retrain_seconds": 100.0,
        "audit_seconds": 1.0,
    }


def test_the_end_is_entered_with_what_was_learnt_and_what_was_destroyed(station: Station) -> None:
    desk = calibrated(station)

    calibration_steps.finish(desk)

    with transaction(station.sessions) as session:
        kinds = session.scalars(select(LedgerEntry.kind).order_by(LedgerEntry.id)).all()
        job = session.get_one(Job, desk.assignment.job_id)
        row = calibrations.known(session, job.model_id)
        assert kinds[-2:] == ["model.calibrated", "job.succeeded"]
        assert job.state is JobState.SUCCEEDED
        assert row is not None
        assert row.method == "hamu"
        # The trials that stay within half of what failed: all but the skewed ones.
        assert row.taught == {
            "rule": "matched",
            "stratum_share": 0.2,
            "memorized_share": None,
            "exposed_share": None,
            "precedents": [{"share": 0.01, "escalated": False, "unlearn": pytest.approx(0.2)}] * 4,
        }


def test_the_next_decision_uses_it_and_says_where_every_number_is_from(station: Station) -> None:
    calibration_steps.finish(calibrated(station))

    with transaction(station.sessions) as session:
        easy = decided(session, dry_run(session), assessed(), now=NOW)
        skewed = decided(session, dry_run(session), assessed(stratum=0.3), now=NOW)
        larger = decided(session, dry_run(session), assessed(size=0.04), now=NOW)

    assert (easy["numbers"]["cost_unlearn"], easy["numbers"]["p_escalate"]) == (
        pytest.approx(20.0),
        pytest.approx(1 / 6),
    )
    # Trials on forget sets of a quarter of the size say a quarter as much.
    assert larger["numbers"]["p_escalate"] == pytest.approx(1 / 3)
    assert easy["route"] == "hamu"
    assert skewed["route"] == "retrain"
    assert "Stratum 3 would lose 30%" in skewed["reasons"][0]
    numbers, limits = easy["sources"]["numbers"], easy["sources"]["thresholds"]
    assert numbers["p_escalate"] == numbers["cost_unlearn"] == "calibration"
    assert (numbers["cost_retrain"], numbers["rounds"]) == ("measured", "ledger")
    assert (limits["stratum_share"], limits["memorized_share"]) == ("calibration", "default")
    assert (limits["max_rounds"], limits["sigmas"]) == ("policy", "default")
    assert numbers.keys() == easy["numbers"].keys()
    assert limits.keys() == easy["thresholds"].keys()


def test_a_job_that_is_aimed_otherwise_uses_defaults(station: Station) -> None:
    calibration_steps.finish(calibrated(station))

    with transaction(station.sessions) as session:
        aimed = decided(
            session, dry_run(session), assessed(rule=TargetRule.REFERENCE.value), now=NOW
        )

    assert aimed["numbers"]["p_escalate"] == 0.5
    assert aimed["sources"]["numbers"]["p_escalate"] == "default"
    assert aimed["sources"]["thresholds"]["stratum_share"] == "default"


@pytest.mark.parametrize(
    ("undecided", "fewest", "share"), [("retrain", 20, 0.8), ("approve", 0, 0.0)]
)
def test_what_an_audit_cannot_judge_is_retrained_at_once_where_it_would_be_in_the_end(
    station: Station, undecided: str, fewest: int, share: float
) -> None:
    with transaction(station.sessions) as session:
        make_version(session, make_model(session, make_dataset(session), on_inconclusive=undecided))
        told = decided(session, dry_run(session), assessed(), now=NOW)

    for name, needed in (("forget_samples", fewest), ("comparable_share", share)):
        assert told["thresholds"][name] == needed
        assert told["sources"]["thresholds"][name] == "policy"


def test_another_method_uses_defaults(station: Station) -> None:
    calibration_steps.finish(calibrated(station))

    with transaction(station.sessions) as session:
        job = dry_run(session)
        model_lines.change_policy(session, job.model, {"route": "nabla_tau"}, now=NOW)
        forced = decided(session, job, assessed(), now=NOW)

    assert forced["sources"]["numbers"]["cost_unlearn"] == "default"


@pytest.mark.parametrize(("route", "share"), [("rum", 0.9), ("nabla_tau", 0.1), ("auto", 0.1)])
def test_before_anything_was_measured_rum_is_expected_to_cost_more(
    station: Station, route: str, share: float
) -> None:
    with transaction(station.sessions) as session:
        make_version(session, make_model(session, make_dataset(session), route=route))
        decision = decided(session, dry_run(session), assessed(), now=NOW)

    numbers = decision["numbers"]
    assert numbers["cost_unlearn"] == pytest.approx(share * numbers["cost_retrain"])
    assert decision["sources"]["numbers"]["cost_unlearn"] == "default"


@pytest.mark.parametrize(
    ("route", "method"),
    [("auto", Route.HAMU), ("retrain", Route.HAMU), ("nabla_tau", Route.NABLA_TAU), ("rum", "rum")],
)
def test_trials_are_made_by_the_method_that_the_policy_orders(
    station: Station, route: str, method: str
) -> None:
    with transaction(station.sessions) as session:
        make_version(session, make_model(session, make_dataset(session), route=route))

        assert calibration_steps.method_of(dry_run(session)) == method


def test_a_job_that_is_nearly_due_is_retrained_while_that_is_in_time(station: Station) -> None:
    with transaction(station.sessions) as session:
        line = make_model(session, make_dataset(session))
        make_version(session, line)
        make_erasure(session, "ada", due_at=NOW + timedelta(days=1))
        erasure = make_erasure(session, "ben", due_at=NOW + timedelta(seconds=105))
        job = batching.batch(session, line.id, now=NOW, flush=True)
        assert job is not None
        session.refresh(job, ["model"])
        at_once = decided(session, job, assessed(), now=NOW)
        later = decided(session, job, assessed(), now=NOW + timedelta(seconds=10))
        clocks.extend(
            session,
            erasure.request_id,
            reason=ExtensionReason.COMPLEXITY,
            notice="letter 7",
            zone=ZoneInfo("UTC"),
            now=NOW,
        )
        extended = decided(session, job, assessed(), now=NOW)

    routes = [told["route"] for told in (at_once, later, extended)]
    assert routes == ["retrain", "hamu", "hamu"]
    assert at_once["numbers"]["time_left"] == 105
    assert extended["numbers"]["time_left"] == 86400
    assert at_once["thresholds"]["time_needed"] == pytest.approx(212)  # two trainings
    assert at_once["sources"]["numbers"]["time_left"] == "ledger"
    assert at_once["sources"]["thresholds"]["time_needed"] == "derived"


def test_an_audit_that_nobody_judges_for_takes_a_training_of_its_own(station: Station) -> None:
    needed = []
    with transaction(station.sessions) as session:
        version = make_version(session, make_model(session, make_dataset(session)))
        job = dry_run(session)
        for number in range(references.DESIGN.count):
            if number in (0, references.DESIGN.count - 1):
                needed.append(time_needed(session, job))
            references.add(
                session,
                version,
                number,
                left_out=Bitmap(),
                losses={},
                unseen=[],
                weights_digest="0" * 64,
                now=NOW,
            )
        needed.append(time_needed(session, job))

    assert needed == pytest.approx([212, 212, 112])  # none, all but one that judges, all


def time_needed(session: Session, job: Job) -> float:
    by_references = assessed(rule=TargetRule.REFERENCE.value)
    return float(decided(session, job, by_references, now=NOW)["thresholds"]["time_needed"])


def test_references_are_advised_where_there_are_none(station: Station) -> None:
    with transaction(station.sessions) as session:
        make_version(session, make_model(session, make_dataset(session)))
        blind = decided(session, dry_run(session), assessed(), now=NOW)
        aimed = decided(
            session, dry_run(session), assessed(rule=TargetRule.REFERENCE.value), now=NOW
        )

    assert blind["advice"].startswith("A reference table would cost 9 retrains and pay after 9")
    assert aimed["advice"] is None
