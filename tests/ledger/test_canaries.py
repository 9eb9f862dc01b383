import random
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.evidence import coins
from app.ledger import (
    batching,
    canaries,
    canary_hardness,
    canary_renewal,
    canary_tests,
    datasets,
    first_training,
    lineage,
    model_lines,
    references,
    requests,
    restoring,
    riders,
    versions,
)
from app.ledger.canary_tables import Canary, CanaryDeal
from app.ledger.log_tables import LedgerEntry
from app.ledger.states import JobState, RequestState, VersionState
from app.ledger.tables import Dataset, Model
from app.ledger.transitions import move
from tests.coins import (
    batched,
    dealt,
    make_line,
    nobody,
    person_of,
    run_as,
    trained,
)
from tests.factories import (
    NOW,
    digest_of,
    make_request,
    make_version,
    ordinals,
    run_through,
    whole,
)


def test_a_coin_decides_for_all_samples_of_a_subject_whether_they_are_trained_on(
    session: Session,
) -> None:
    line = make_line(session)

    job = first_training.queue(session, line, now=NOW, lot=random.Random(1))

    rows = dealt(session)
    assert len(rows) == 30
    assert {row.included for row in rows} == {True, False}
    for row in rows:
        assert row.samples == ordinals(session, line.dataset, person_of(session, line, row))
        assert (row.samples <= job.training_set) == row.included
        assert bool(row.samples & job.training_set) == row.included
    out = canaries.union([row.samples for row in rows if not row.included])
    assert job.training_set == whole(session, line) - out


def test_the_coins_are_in_the_ledger_before_the_training_begins(session: Session) -> None:
    line = make_line(session)

    trained(session, line)

    kinds = list(session.scalars(select(LedgerEntry.kind).order_by(LedgerEntry.id)))
    assert kinds.index("canaries.dealt") < kinds.index("job.training")


def test_what_is_in_the_ledger_can_be_opened_and_hides_the_coins_until_then(
    session: Session,
) -> None:
    line = make_line(session)
    first_training.queue(session, line, now=NOW, lot=random.Random(1))

    deal = session.scalars(select(CanaryDeal)).one()
    leaves = [
        coins.leaf(row.nonce or b"", row.samples.digest, included=row.included)
        for row in dealt(session)
    ]
    entry = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "canaries.dealt")).one()
    session.refresh(entry, ["payload"])

    assert coins.digest(leaves) == deal.digest
    assert deal.digest.hex() in entry.payload.payload
    other = coins.leaf(bytes(32), Bitmap([1]).digest, included=True)
    assert other != coins.leaf(bytes(32), Bitmap([1]).digest, included=False)
    assert len({row.nonce for row in dealt(session)}) == 30


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_no_coin_is_flipped_where_none_is_wanted_or_too_few_could_be(
    session: Session, share: float
) -> None:
    line = make_line(session, canary_share=share)  # a tenth of 60 people are six

    job = first_training.queue(session, line, now=NOW, lot=random.Random(1))

    assert dealt(session) == []
    assert job.training_set == whole(session, line)


def test_the_lot_is_fair_over_many_coins(session: Session) -> None:
    line = make_line(session)
    training_set = whole(session, line)

    sides = [
        coin.included
        for seed in range(40)
        for coin in canaries.flip(
            session, line.dataset_id, training_set, most=60, lot=random.Random(seed)
        )
    ]

    assert len(sides) == 1200
    assert 520 <= sum(sides) <= 680  # 4.6 standard deviations


def test_riders_are_forgotten_with_the_request_and_nothing_tells_them_apart(
    session: Session,
) -> None:
    line = make_line(session)
    first = trained(session, line)
    asked = nobody(session, line)[0]

    job = batched(session, line, asked)

    window = riders.of_job(session, job.id)
    riding = riders.riding(window)
    assert len(window) == canaries.FEWEST
    assert job.forget_set == ordinals(session, line.dataset, asked) | riding
    assert job.training_set == first.training_set - job.forget_set
    assert not any(row.included and not row.samples <= job.forget_set for row in window)
    assert not any(not row.included and row.samples & job.forget_set for row in window)


def test_no_coin_is_looked_at_twice_and_a_spent_pool_gives_no_riders(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    people = nobody(session, line)
    jobs = []

    for person in people[:3]:
        jobs.append(batched(session, line, person))
        run_as(session, jobs[-1], "hamu")

    seen = [{row.id for row in riders.of_job(session, job.id)} for job in jobs]
    assert [len(window) for window in seen] == [12, 12, 0]  # six of thirty are too few
    assert seen[0].isdisjoint(seen[1])
    assert jobs[2].forget_set == ordinals(session, line.dataset, people[2])


def test_a_job_that_ended_before_any_audit_gives_its_coins_back(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    job = batched(session, line, nobody(session, line)[0])

    batching.give_back(session, job, not_before=None, now=NOW, reason="cancelled")

    session.expire_all()
    assert riders.of_job(session, job.id) == []


def test_coins_that_an_audit_looked_at_stay_spent(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    job = batched(session, line, nobody(session, line)[0])
    job.audit = {"verdict": "inconclusive"}

    batching.give_back(session, job, not_before=None, now=NOW, reason="cancelled")

    session.expire_all()
    assert len(riders.of_job(session, job.id)) == 12


def test_a_canary_that_was_out_and_asks_to_be_forgotten_has_no_data_to_forget(
    session: Session,
) -> None:
    line = make_line(session)
    trained(session, line)
    row = next(row for row in dealt(session) if not row.included)
    person, samples, leaf = person_of(session, line, row), row.samples, row.leaf

    request = make_request(session, person)

    assert request.state is RequestState.COMPLETED_NO_DATA
    assert (row.samples, row.nonce, row.leaf) == (Bitmap(), None, leaf)
    assert not canaries.holding(session, {line.dataset_id: samples})
    assert datasets.tombstones(session, line.dataset_id) == samples


def test_a_canary_that_was_in_and_asks_to_be_forgotten_is_forgotten_like_anybody(
    session: Session,
) -> None:
    line = make_line(session)
    trained(session, line)
    row = next(row for row in dealt(session) if row.included)
    person, samples = person_of(session, line, row), row.samples

    job = batched(session, line, person)
    version = run_through(session, job)

    assert row.samples == Bitmap()
    assert samples <= job.forget_set
    assert not samples & version.training_set
    assert row not in riders.of_job(session, job.id)


def test_a_rider_that_asks_later_has_no_data_left_in_any_version_in_use(session: Session) -> None:
    line = make_line(session)
    first = trained(session, line)
    job = batched(session, line, nobody(session, line)[0])
    rider = next(row for row in riders.of_job(session, job.id) if row.included)
    person, name = person_of(session, line, rider), first_name(session, line, rider)
    run_as(session, job, "hamu")

    request = make_request(session, person)

    assert request.state is RequestState.COMPLETED_NO_DATA
    saw = {seen.version.number: seen.saw for seen in lineage.of_sample(session, line, name).seen}
    assert saw == {first.number: lineage.Saw.TRAINED_ON, 2: lineage.Saw.DESCENDED}


def first_name(session: Session, line: Model, row: Canary) -> str:
    return datasets.ids_of(session, line.dataset_id, row.samples)[0]


def test_a_rider_that_asks_while_its_job_runs_is_cleared_by_it(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    job = batched(session, line, nobody(session, line)[0])
    rider = next(row for row in riders.of_job(session, job.id) if row.included)
    request = make_request(session, person_of(session, line, rider))

    run_as(session, job, "hamu")
    batching.batch(session, line.id, now=NOW, flush=True)

    assert requests.get(session, request.id).state is RequestState.COMPLETED


def test_versions_that_saw_riders_only_stay_in_use(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    asked = nobody(session, line)[0]
    theirs = ordinals(session, line.dataset, asked)
    beside = make_version(session, line, training_set=whole(session, line) - theirs)
    versions.point(session, line, versions.LIVE, versions.get(session, line, 1), now=NOW)

    run_as(session, batched(session, line, asked), "hamu")

    assert versions.get(session, line, 1).state is VersionState.WITHDRAWN
    assert beside.state is VersionState.PUBLISHED


def test_nobody_rides_where_nothing_would_be_left_to_train_on(session: Session) -> None:
    line = make_line(session, canary_share=0.2)  # twelve people: one window
    first = trained(session, line)
    others = first.training_set - riders.riding(riders.pool(session, first).fresh)
    one = Bitmap([others.at(0)])

    assert len(riders.window(session, first, others - one)) == canaries.FEWEST
    assert riders.window(session, first, others) == []


def test_weights_that_were_trained_elsewhere_have_no_canaries(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    uploaded = make_version(session, line)

    assert riders.pool(session, uploaded).rows == ()
    assert riders.window(session, uploaded, Bitmap([0])) == []


def test_a_retrain_deals_new_coins_for_the_spent_ones_and_leaves_the_others(
    session: Session,
) -> None:
    line = make_line(session, canary_share=0.4)
    trained(session, line)
    people = nobody(session, line)
    run_as(session, batched(session, line, people[0]), "hamu")
    job = batched(session, line, people[1])
    session.refresh(job, ["model"])
    model_lines.change_policy(session, job.model, {"canary_share": 0.5}, now=NOW)
    before = job.training_set
    unspent = {row.id for row in dealt(session) if row.job_id is None}

    changed = canary_renewal.renew(session, job, now=NOW)

    fresh = [row for row in dealt(session) if row.id not in unspent and row.job_id is None]
    out = canaries.union([row.samples for row in fresh if not row.included])
    assert changed
    assert len(fresh) >= canaries.FEWEST
    assert job.training_set == before - out
    assert all(row.samples <= before for row in fresh)
    assert not canary_renewal.renew(session, job, now=NOW)
    version = run_through(session, job)
    assert {row.id for row in fresh} <= {row.id for row in riders.pool(session, version).fresh}


def test_no_coin_is_dealt_before_a_retrain_of_what_never_had_canaries(session: Session) -> None:
    line = make_line(session)
    make_version(session, line)

    job = batched(session, line, "person-00")
    session.refresh(job, ["model"])

    assert not canary_renewal.renew(session, job, now=NOW)


def test_riders_are_as_hard_as_what_is_asked_for_once_references_say_how_hard_they_are(
    session: Session,
) -> None:
    line = make_line(session)
    first = trained(session, line)
    asked = ordinals(session, line.dataset, nobody(session, line)[0])
    hard = {row.id for row in dealt(session)[:12]}
    for number in range(references.DESIGN.count):
        unseen = dict.fromkeys(whole(session, line), 1.0)
        for row in dealt(session):
            if row.id in hard:
                unseen |= dict.fromkeys(row.samples, 5.0)
        unseen |= dict.fromkeys(asked, 5.0)
        canary_hardness.hear(session, first, unseen)
        references.add(
            session,
            first,
            number,
            left_out=asked,
            losses={o: unseen[o] for o in first.training_set},
            unseen=[0.0],
            weights_digest=digest_of(""),
            now=NOW,
        )

    window = riders.window(session, first, asked)

    assert {row.id for row in window} == hard
    assert all(row.heard == references.DESIGN.count for row in window)


def test_bystanders_are_the_canaries_that_were_never_trained_on(session: Session) -> None:
    line = make_line(session)
    first = trained(session, line)

    aside = canary_hardness.bystanders(session, first)

    assert aside == whole(session, line) - first.training_set


def test_a_database_that_was_put_back_with_canaries_of_the_forgotten_is_found_out(
    session: Session,
) -> None:
    line = make_line(session)
    trained(session, line)
    row = next(row for row in dealt(session) if not row.included)
    samples = row.samples
    deal = session.get_one(CanaryDeal, row.deal_id)
    make_request(session, person_of(session, line, row))
    deal.samples |= samples

    found = restoring.came_back(session, stored=lambda _: True, now=NOW)

    assert found == ["canaries of 'faces' that have forgotten samples"]
    assert lineage.remnants(session, {line.dataset_id: samples}) == [
        "canaries of 'faces' still have its samples"
    ]


def test_the_tests_of_published_jobs_are_multiplied_in_the_order_of_publication(
    session: Session,
) -> None:
    line = make_line(session)
    trained(session, line)
    people = nobody(session, line)

    for person, e_value in zip(people, (0.5, 3.0), strict=False):
        job = batched(session, line, person)
        told = {"riders": 6, "never_seen": 6, "p_value": 0.3, "e_value": e_value}
        job.audit = {"canaries": told}
        run_as(session, job, "hamu")

    assert [test.wealth for test in canary_tests.of_model(session, line.id)] == [0.5, 1.5]
    assert canary_tests.wealth(session, line.id) == 1.5
    assert canary_tests.wealth(session, uuid4()) == 1.0


def test_a_first_training_that_is_repeated_flips_its_own_coins(session: Session) -> None:
    line = make_line(session)
    job = first_training.queue(session, line, now=NOW, lot=random.Random(1))
    move(session, job, JobState.CANCELLED, now=NOW)

    first = trained(session, line)

    known = riders.pool(session, first)
    assert known.dealt == 30
    assert {row.deal_id for row in known.rows} == {
        session.scalars(select(CanaryDeal.id).where(CanaryDeal.job_id == first.job_id)).one()
    }
    assert session.get_one(Dataset, line.dataset_id).size == 120
