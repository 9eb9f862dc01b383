"""Published versions that a lot chooses are held against a true retrain; it says how many fail."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.ledger import checks, publishing, versions
from app.ledger.check_tables import Check
from app.ledger.checks import Standing
from app.ledger.defect_rate import defect_rate
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from app.ledger.transitions import move
from models.auditing.intervals import clopper_pearson
from tests.factories import (
    DAY,
    NOW,
    digest_of,
    make_job,
    make_model,
    make_request,
    make_version,
)

OUTCOME = {"sentences": ["All is well."], "destroyed": "ab" * 32, "retrain_seconds": 1.0}


def published(session: Session, parent: ModelVersion, *, route: str = "hamu") -> Job:
    """A job that forgot one sample and was published."""
    job = make_job(session, parent=parent, forget=Bitmap([min(parent.training_set)]))
    job.decision = {"route": route}
    for state in (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    publishing.publish_unlearned(
        session, job, route=route, weights_digest=digest_of(""), manifest={}, now=NOW
    )
    return job


def check_of(session: Session, job: Job) -> Job | None:
    """The check of the version that a job made."""
    return session.scalar(
        select(Job)
        .join(Check, Check.job_id == Job.id)
        .join(ModelVersion, ModelVersion.id == Check.version_id)
        .where(ModelVersion.job_id == job.id)
        .options(joinedload(Job.model))
    )


def model_with(session: Session, share: float) -> ModelVersion:
    return make_version(session, make_model(session, oracle_share=share))


def ended(session: Session, parent: ModelVersion, *verdicts: str) -> UUID:
    """A model of which so many versions were checked, an hour apart."""
    for hour, verdict in enumerate(verdicts):
        job = check_of(session, published(session, parent))
        assert job is not None
        checks.keep(session, job, verdict, OUTCOME, now=NOW + timedelta(hours=hour))
        live = versions.live(session, parent.model_id)
        assert live is not None
        parent = live
    return parent.model_id


def test_what_the_lot_chooses_is_checked_with_the_same_two_sets(session: Session) -> None:
    job = published(session, model_with(session, 1.0))

    check = check_of(session, job)

    assert check is not None
    assert (check.kind, check.state) == (JobKind.CHECK, JobState.QUEUED)
    assert (check.training_set, check.forget_set) == (job.training_set, job.forget_set)
    assert check.parent_version_id == job.parent_version_id
    assert check.seed != job.seed


@pytest.mark.parametrize(("share", "route"), [(0.0, "hamu"), (1.0, "retrain")])
def test_no_retrain_is_checked_and_nothing_where_the_policy_says_so(
    session: Session, share: float, route: str
) -> None:
    job = published(session, model_with(session, share), route=route)

    assert check_of(session, job) is None
    assert "to_be_checked" not in last_entry(session, job)


def last_entry(session: Session, job: Job) -> dict[str, object]:
    payload = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.row_id == job.id)
        .order_by(LedgerEntry.id.desc())
    ).first()
    assert payload is not None
    return dict(json.loads(payload))


def test_the_ledger_says_what_the_lot_chose(session: Session) -> None:
    job = published(session, model_with(session, 1.0))

    assert last_entry(session, job)["to_be_checked"] is True


@given(st.integers(0, 2**48 - 1), st.floats(0, 1))
def test_a_coin_falls_as_it_fell_and_a_larger_share_loses_none(seed: int, share: float) -> None:
    job = Job(id=UUID(int=seed), seed=seed)

    chosen = checks.drawn(job, share)

    assert checks.drawn(job, share) == chosen
    assert not chosen or checks.drawn(job, min(1.0, share + 0.1))


def test_a_tenth_of_jobs_is_drawn_at_a_share_of_a_tenth() -> None:
    jobs = [Job(id=UUID(int=seed), seed=seed) for seed in range(4000)]

    assert sum(checks.drawn(job, 0.1) for job in jobs) == pytest.approx(400, abs=80)


def test_only_what_a_check_could_tell_counts(session: Session) -> None:
    model_id = ended(session, model_with(session, 1.0), "pass", "escalate", "inconclusive")

    found = checks.standing(session, model_id)

    assert found == Standing(checked=2, defects=1, unsettled=1)
    assert checks.standing(session, model_id, until=NOW) == Standing(1, 0, 0)
    assert checks.standing(session, model_id, since=NOW + timedelta(minutes=1)).checked == 1


def test_a_check_is_impossible_once_a_sample_of_its_training_set_was_forgotten(
    session: Session,
) -> None:
    job = check_of(session, published(session, model_with(session, 1.0)))
    assert job is not None
    assert checks.impossible(session, job) is None

    make_request(session, "zoe")

    assert checks.impossible(session, job) is not None


def test_a_check_is_impossible_once_the_weights_before_are_destroyed(session: Session) -> None:
    parent = model_with(session, 1.0)
    job = check_of(session, published(session, parent))
    assert job is not None

    versions.purge(session, parent, now=NOW + 30 * DAY, weights_kept=False)

    assert checks.impossible(session, job) is not None


def test_no_defect_among_59_means_below_five_percent() -> None:
    few, enough = (replace(Standing(59, 0, 0), checked=count).rate for count in (58, 59))

    assert few is not None
    assert enough is not None
    assert enough.high < 0.05 < few.high


def test_nothing_checked_has_no_rate() -> None:
    assert Standing(0, 0, 3).rate is None


@given(st.integers(1, 400).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_rates_agree_with_the_exact_interval(case: tuple[int, int]) -> None:
    exact = clopper_pearson(*case, confidence=0.90)

    rate = defect_rate(*case)

    assert rate is not None
    assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
