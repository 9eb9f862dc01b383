"""Shredding: who asked, and for what, is gone; every proof and every tombstone stays."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import ReceiptShredded
from app.evidence import merkle, receipt
from app.ledger import (
    batching,
    datasets,
    dry_runs,
    idempotency,
    job_sizes,
    jobs,
    model_lines,
    receipts,
    requests,
    retention,
    tree,
)
from app.ledger.check_tables import Check
from app.ledger.log_tables import SampleCommitment
from app.ledger.states import JobKind, JobState, RequestState
from app.ledger.tables import Dataset, DeletionRequest, IdempotencyKey, Job, Model, ModelVersion
from app.ledger.verification import examine
from app.reports.changes import changes
from tests import factories
from tests.factories import DAY, NOW
from tests.ledger.signing import SIGNER, sequence
from workers.sweeping import months_before

LATER = NOW + 731 * DAY
EXTERNAL = "ticket-of-ada"
STATED = (receipts.Stage.ACCEPTED, receipts.Stage.COMPLETED)


@pytest.fixture
def completed(session: Session) -> DeletionRequest:
    """Ada's request, carried out in one batch with Ben's; both are receipted and signed."""
    line = factories.make_model(session)
    factories.make_version(session, line)
    request = factories.make_request(session, "ada", external_id=EXTERNAL)
    factories.make_request(session, "ben")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    factories.run_through(session, job)
    sequence(session)
    return requests.get(session, request.id)


def shred(session: Session, request: DeletionRequest) -> None:
    retention.shred(session, request.id, now=LATER)
    session.expire_all()


def the_job(session: Session) -> Job:
    return session.scalars(select(Job)).one()


def proofs(session: Session) -> list[tree.Inclusion]:
    """Every entry's proof under every size."""
    size = tree.current(session).size
    return [tree.inclusion(session, i, whole) for whole in range(1, size + 1) for i in range(whole)]


def test_after_shredding_every_proof_is_what_it_was_and_verifies(
    session: Session, completed: DeletionRequest
) -> None:
    before = proofs(session)
    kept = [receipts.read(session, completed, stage) for stage in STATED]

    shred(session, completed)

    assert proofs(session) == before
    for proof in before:
        merkle.verify_inclusion(
            proof.leaf_hash,
            index=proof.index,
            size=proof.size,
            proof=proof.hashes,
            root=proof.root,
        )
    found = examine(session, SIGNER.verifier_keys)
    assert found.faults == []
    assert found.shredded > 0
    for copy in kept:
        receipt.verify(copy, log_keys=SIGNER.verifier_keys, request_id=str(completed.id))


def test_the_shredding_itself_is_entered(session: Session, completed: DeletionRequest) -> None:
    shred(session, completed)

    assert sequence(session) is not None
    assert examine(session, SIGNER.verifier_keys).faults == []


def test_nothing_says_any_more_who_asked_or_for_what(
    session: Session, completed: DeletionRequest
) -> None:
    key = factories.key_of("ada").hex()
    assert tables_with(session, EXTERNAL) == {"deletion_requests"}
    assert tables_with(session, key) == {"deletion_requests", "samples"}
    assert tables_with(session, "ada-0") == {"samples"}

    shred(session, completed)

    assert tables_with(session, EXTERNAL) == set()
    assert tables_with(session, key) == set()
    assert tables_with(session, "ada-0") == set()


def tables_with(session: Session, needle: str) -> set[str]:
    """Every table that holds a text somewhere in a row."""
    session.flush()
    names = session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ).all()
    return {
        name
        for name in names
        if session.scalar(
            text(f'SELECT EXISTS (SELECT FROM "{name}" AS t WHERE t::text LIKE :held)'),  # noqa: S608, our own names
            {"held": f"%{needle}%"},
        )
    }


def test_the_skeleton_that_the_law_wants_stays(
    session: Session, completed: DeletionRequest
) -> None:
    shred(session, completed)

    kept = requests.get(session, completed.id)
    assert (kept.state, kept.sample_count) == (RequestState.COMPLETED, 2)
    assert (kept.received_at, kept.finished_at, kept.shredded_at) == (NOW, NOW, LATER)
    assert kept.subject_key is None
    assert kept.external_id is None
    assert [len(erasure.samples) for erasure in kept.erasures] == [0]
    assert requests.resolved(session, completed.id) == {}


def test_its_receipt_is_gone_and_another_requests_is_not(
    session: Session, completed: DeletionRequest
) -> None:
    shred(session, completed)

    with pytest.raises(ReceiptShredded):
        receipts.read(session, requests.get(session, completed.id))
    other = session.scalars(select(DeletionRequest).where(DeletionRequest.id != completed.id)).one()
    receipt.verify(receipts.read(session, other), log_keys=SIGNER.verifier_keys)


def test_a_jobs_forget_set_goes_with_the_last_of_its_requests(
    session: Session, completed: DeletionRequest
) -> None:
    job = the_job(session)
    assert session.get(SampleCommitment, job.id) is not None

    shred(session, completed)
    assert len(the_job(session).forget_set) == 4
    for request in session.scalars(select(DeletionRequest)).all():
        shred(session, request)

    assert len(the_job(session).forget_set) == 0
    assert session.scalars(select(SampleCommitment)).all() == []


def test_the_forget_set_of_a_check_goes_with_that_of_the_job_it_checks(
    session: Session, completed: DeletionRequest
) -> None:
    job = the_job(session)
    parent = session.get_one(ModelVersion, job.parent_version_id)
    check = jobs.add(
        session,
        model_lines.by_id(session, job.model_id),
        JobKind.CHECK,
        training_set=job.training_set,
        forget_set=job.forget_set,
        parent=parent,
        now=NOW,
    )
    made = session.scalars(select(ModelVersion).where(ModelVersion.job_id == job.id)).one()
    session.add(Check(job_id=check.id, version_id=made.id, model_id=job.model_id))
    jobs.finish(session, check, JobState.CANCELLED, now=NOW)

    for request in session.scalars(select(DeletionRequest)).all():
        shred(session, request)

    assert [len(each.forget_set) for each in session.scalars(select(Job))] == [0, 0]


def test_how_many_samples_a_job_forgot_is_told_also_when_they_are_shredded(
    session: Session, completed: DeletionRequest
) -> None:
    sizes = job_sizes.to_forget(the_job(session)), job_sizes.to_keep(the_job(session))

    for request in session.scalars(select(DeletionRequest)).all():
        shred(session, request)

    job = the_job(session)
    assert (job_sizes.to_forget(job), job_sizes.to_keep(job)) == sizes == (4, 6)
    (made, _) = changes(session, NOW, NOW + DAY)[1:]
    assert made.reasons == ("4 samples had to be forgotten.",)


def test_what_runs_noted_of_a_job_s_samples_is_shredded_with_the_last_of_its_requests(
    session: Session, completed: DeletionRequest
) -> None:
    first, second = (
        {"route": route, "trace": {"steps": 7, "notes": [f"group 1: {'ab' * 32}"]}}
        for route in ("rum", "retrain")
    )
    the_job(session).run = second | {"earlier": [first]}
    session.flush()

    shred(session, completed)
    told = dict(the_job(session).run or {})
    for request in session.scalars(select(DeletionRequest)).all():
        shred(session, request)

    silent = {"trace": {"steps": 7, "notes": []}}
    assert told == second | {"earlier": [first]}
    assert the_job(session).run == second | silent | {"earlier": [first | silent]}


def test_what_a_dry_run_was_about_goes_when_its_time_is_over(
    session: Session, completed: DeletionRequest
) -> None:
    made = the_job(session)
    line = model_lines.by_id(session, made.model_id)
    eve = factories.ordinals(session, session.get_one(Dataset, line.dataset_id), "eve")
    ended, recent, under_way = (dry_runs.queue(session, line, eve, now=NOW) for _ in range(3))
    jobs.finish(session, ended, JobState.CANCELLED, now=NOW)
    jobs.finish(session, recent, JobState.CANCELLED, now=NOW + DAY)

    for _ in range(2):
        retention.shred_dry_runs(session, before=NOW)
        session.expire_all()

    assert (ended.forget_set, ended.training_set) == (Bitmap(), Bitmap())
    assert (job_sizes.to_forget(ended), job_sizes.to_keep(ended)) == (2, 4)
    assert [job.forget_set for job in (recent, under_way)] == [eve, eve]
    assert len(made.forget_set) == 4


def test_tombstones_survive_also_when_a_later_request_is_taken_back(
    session: Session, completed: DeletionRequest
) -> None:
    (dataset_id,) = requests.resolved(session, completed.id)
    before = datasets.tombstones(session, dataset_id)
    shred(session, completed)

    again = factories.make_request(session, "ada", now=LATER)
    assert again.state is RequestState.COMPLETED_NO_DATA
    pending = factories.make_request(session, "ada", "eve", now=LATER)
    requests.cancel(session, pending.id, now=LATER, reason="asked to")

    assert datasets.tombstones(session, dataset_id) == before
    assert datasets.buried_for_good(session, dataset_id) == Bitmap([0, 1])


def test_the_samples_of_a_request_that_was_taken_back_stay_free(session: Session) -> None:
    version = factories.make_version(session)
    request = factories.make_request(session, "ada")
    requests.cancel(session, request.id, now=NOW, reason="asked to")

    shred(session, request)

    line = session.get_one(Model, version.model_id)
    assert datasets.tombstones(session, line.dataset_id) == Bitmap()
    assert datasets.buried_for_good(session, line.dataset_id) == Bitmap()


def test_shredding_twice_changes_nothing(session: Session, completed: DeletionRequest) -> None:
    shred(session, completed)
    entries = session.scalar(text("SELECT count(*) FROM ledger_entries"))

    retention.shred(session, completed.id, now=LATER + DAY)

    assert session.scalar(text("SELECT count(*) FROM ledger_entries")) == entries
    assert requests.get(session, completed.id).shredded_at == LATER


def test_only_what_ended_long_enough_ago_is_due(
    session: Session, completed: DeletionRequest
) -> None:
    assert retention.overdue(session, before=NOW - DAY, limit=10) == []
    assert completed.id in retention.overdue(session, before=NOW, limit=10)
    assert len(retention.overdue(session, before=NOW, limit=1)) == 1

    shred(session, completed)

    assert completed.id not in retention.overdue(session, before=NOW, limit=10)


def test_answers_to_repeated_posts_go_too(session: Session) -> None:
    for days in (0, 5):
        idempotency.once(session, f"key-{days}", "/v1", {}, lambda: (202, {}), now=NOW + days * DAY)

    retention.shred_answers(session, before=NOW + DAY)

    assert [row.key for row in session.scalars(select(IdempotencyKey))] == ["key-5"]


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        (datetime(2026, 3, 31, 9, tzinfo=UTC), 1, datetime(2026, 2, 28, 9, tzinfo=UTC)),
        (datetime(2028, 2, 29, 9, tzinfo=UTC), 24, datetime(2026, 2, 28, 9, tzinfo=UTC)),
        (datetime(2026, 1, 15, 9, tzinfo=UTC), 24, datetime(2024, 1, 15, 9, tzinfo=UTC)),
        (datetime(2026, 1, 15, 9, tzinfo=UTC), 0, datetime(2026, 1, 15, 9, tzinfo=UTC)),
    ],
)
def test_months_are_calendar_months(moment: datetime, months: int, before: datetime) -> None:
    assert months_before(moment, months) == before
