"""The real ledger on a real PostgreSQL under whatever order of events Hypothesis thinks of.

Workers die, stall and come back; people ask, take back, wait; clocks jump both ways. After each
step the invariants hold, and in the end everybody who asked has an answer. `LACUNA_EXAMPLES` tries
more runs than the few that every run of the tests has time for.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.ledger import batching, clocks, endings, holds, jobs, publishing, requests, versions
from app.ledger.invariants import INVARIANTS
from app.ledger.jobs import LeaseLost
from app.ledger.reasons import DenialReason, ExtensionReason, HoldReason, ReleaseReason
from app.ledger.states import (
    ACTIVE_JOB_STATES,
    FINAL_REQUEST_STATES,
    JobState,
    RequestState,
    VersionState,
)
from app.ledger.surroundings import Surroundings
from app.ledger.tables import DeletionRequest, Job, Model, ModelVersion
from app.ledger.transitions import move
from tests.factories import (
    DAY,
    NOW,
    claim,
    digest_of,
    key_of,
    make_dataset,
    make_model,
    make_request,
    make_version,
)
from tests.ledger.checks import check_now

PEOPLE = ("ada", "ben", "eve", "kim", "lea", "max", "tom", "zoe")
LEASE = 30.0
MOST_ATTEMPTS = 3
# The log is signed by nobody here and nothing is told: those searches have tests of their own.
SEARCHES = {
    each.name: [search for search in each.searches if search.__name__ not in {"unsigned", "named"}]
    for each in INVARIANTS
}
NEXT = {
    JobState.QUEUED: JobState.ASSESSING,
    JobState.ASSESSING: JobState.UNLEARNING,
    JobState.UNLEARNING: JobState.AUDITING,
    JobState.AUDITING: JobState.PUBLISHING,
}
which = st.integers(0, 99)  # one of those there are, whatever their number


class Ledger(RuleBasedStateMachine):
    """What happens to a ledger with two models of one dataset."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection = engine.connect()
        self.everything = self.connection.begin()
        self.session = Session(
            self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        self.now = NOW
        self.claims: list[tuple[UUID, int]] = []  # of workers that think they have a job
        self.purged: set[str] = set()
        dataset = make_dataset(self.session, people=PEOPLE)
        self.lines = [
            make_model(self.session, dataset, name, max_wait_seconds=60.0, purge_after_seconds=90.0)
            for name in ("first", "second")
        ]
        for line in self.lines:
            make_version(self.session, line)

    def act(self, action: Callable[[], Any]) -> Any:
        """Do it in a transaction of its own; None where the ledger refuses."""
        try:
            with self.session.begin_nested():
                done = action()
                self.session.flush()
                check_now(self.session)
        except (ServiceError, LeaseLost):
            self.session.expire_all()
            return None
        return done

    def one(self, table: type[Any], place: int, *conditions: Any) -> Any:
        """One of the rows of a table, if there are any."""
        order = table.created_at if hasattr(table, "created_at") else table.received_at
        found = self.session.scalars(select(table).where(*conditions).order_by(order, table.id))
        rows = found.all()
        return rows[place % len(rows)] if rows else None

    def request(self, place: int) -> DeletionRequest:
        return self.one(DeletionRequest, place)

    @rule(people=st.sets(st.sampled_from(PEOPLE), min_size=1, max_size=3), late=st.booleans())
    def submit(self, people: set[str], late: bool) -> None:
        due_at = self.now + (2 * DAY if late else 30 * DAY)
        self.act(lambda: make_request(self.session, *sorted(people), now=self.now, due_at=due_at))

    @rule(place=which, flush=st.booleans())
    def batch(self, place: int, flush: bool) -> None:
        line = self.lines[place % 2]
        self.act(lambda: batching.batch(self.session, line.id, now=self.now, flush=flush))

    @rule(place=which)
    def take(self, place: int) -> None:
        job = self.one(Job, place, Job.state.in_(ACTIVE_JOB_STATES))
        if job is not None and (taken := self.act(lambda: self.claimed(job))) is not None:
            self.claims.append(taken)

    def claimed(self, job: Job) -> tuple[UUID, int] | None:
        """Its id and fence; as workers do, one that has had too many attempts fails instead."""
        if claim(self.session, job, now=self.now, lease=LEASE) is None:
            return None
        if job.attempt > MOST_ATTEMPTS:
            self.failed(job)
            return None
        return job.id, job.fence

    @precondition(lambda self: self.claims)
    @rule(place=which)
    def beat(self, place: int) -> None:
        job_id, fence = self.claims[place % len(self.claims)]
        told: dict[str, Any] = {"progress": {}, "lease_seconds": LEASE, "now": self.now}
        renewed = self.act(lambda: jobs.renew(self.session, job_id, fence, **told))

        job = self.session.get_one(Job, job_id, populate_existing=True)
        assert (renewed is not None) == (job.fence == fence and job.lease_until is not None)

    @precondition(lambda self: self.claims)
    @rule(place=which, fails=st.booleans())
    def work(self, place: int, fails: bool) -> None:
        """A worker ends its step, or fails in it; one whose lease is lost can write nothing."""
        job_id, fence = self.claims[place % len(self.claims)]
        before = self.session.get_one(Job, job_id, populate_existing=True)
        holds_it = before.fence == fence and before.lease_until is not None
        revision = before.revision

        done = self.act(partial(self.step, job_id, fence, fails=fails))

        after = self.session.get_one(Job, job_id, populate_existing=True)
        assert holds_it or (done is None and after.revision == revision)

    def step(self, job_id: UUID, fence: int, *, fails: bool) -> bool:
        job = jobs.held(self.session, job_id, fence)
        if fails:
            self.failed(job)
        elif job.state is JobState.PUBLISHING:
            self.publish(job)
        else:
            self.go_on(job)
        return True

    def failed(self, job: Job) -> None:
        told: dict[str, Any] = {
            "now": self.now,
            "max_attempts": MOST_ATTEMPTS,
            "retry_seconds": 60.0,
        }
        endings.fail_attempt(self.session, job, {"code": "child_died"}, **told)

    def go_on(self, job: Job) -> None:
        following = NEXT[job.state]
        if following is JobState.UNLEARNING:
            job.decision = {"route": "hamu", "reasons": ["tried out"]}
        if following is JobState.PUBLISHING:
            job.audit = {"verdict": "pass"}
        move(self.session, job, following, now=self.now)

    def publish(self, job: Job) -> None:
        publishing.publish_unlearned(
            self.session,
            job,
            route="hamu",
            weights_digest=digest_of(""),
            manifest={},
            now=self.now,
        )

    @precondition(lambda self: self.request(0))
    @rule(place=which)
    def hold(self, place: int) -> None:
        reason = next(iter(HoldReason))
        of = self.request(place).id
        self.act(lambda: holds.hold(self.session, of, reason=reason, now=self.now))

    @precondition(lambda self: self.request(0))
    @rule(place=which)
    def release(self, place: int) -> None:
        reason = next(iter(ReleaseReason))
        of = self.request(place).id
        self.act(lambda: holds.release(self.session, of, reason=reason, now=self.now))

    @precondition(lambda self: self.request(0))
    @rule(place=which)
    def take_back(self, place: int) -> None:
        of = self.request(place).id
        self.act(lambda: requests.cancel(self.session, of, now=self.now, reason="a mistake"))

    @precondition(lambda self: self.request(0))
    @rule(place=which)
    def deny(self, place: int) -> None:
        why: dict[str, Any] = {"reasons": [next(iter(DenialReason))], "notice": "letter 1"}
        of = self.request(place).id
        self.act(lambda: requests.deny(self.session, of, now=self.now, **why))

    @precondition(lambda self: self.request(0))
    @rule(place=which)
    def extend(self, place: int) -> None:
        why: dict[str, Any] = {
            "reason": next(iter(ExtensionReason)),
            "notice": "letter 2",
            "zone": ZoneInfo("UTC"),
        }
        of = self.request(place).id
        self.act(lambda: clocks.extend(self.session, of, now=self.now, **why))

    @rule(place=which)
    def cancel_job(self, place: int) -> None:
        job = self.one(Job, place, Job.state.in_(ACTIVE_JOB_STATES))
        if job is not None:
            ask = partial(endings.ask_to_cancel, now=self.now, retry_seconds=60.0)
            self.act(partial(ask, self.session, job))

    @rule()
    def sweep(self) -> None:
        """What the clerk does, as far as it is the ledger's."""
        for model_id in batching.models_with_pending(self.session, now=self.now):
            self.act(partial(batching.batch, self.session, model_id, now=self.now))
        self.act(lambda: clocks.escalate(self.session, now=self.now))
        for version_id in versions.to_purge(self.session, now=self.now):
            version = self.session.get_one(ModelVersion, version_id)
            self.act(partial(versions.purge, self.session, version, now=self.now))
            if version.state is VersionState.PURGED:
                self.purged.add(version.weights_digest)

    @rule(seconds=st.sampled_from([1, 20, 31, 120, 3600, 86400, -3600]))
    def time_passes(self, seconds: int) -> None:
        """A lease runs out, a due date comes near, or a clock is put back."""
        self.now += timedelta(seconds=seconds)

    @invariant()
    def nothing_is_broken(self) -> None:
        around = Surroundings(
            keys=(),
            stored=lambda digest: digest not in self.purged,
            key_of=key_of,
            now=NOW,  # that a due date passed unmarked while nobody swept is no fault of the ledger
        )
        for name, searches in SEARCHES.items():
            broken = list(chain.from_iterable(each(self.session, around) for each in searches))
            assert broken == [], name

    def teardown(self) -> None:
        """Let everything come to rest: whoever asked and is not held or refused is forgotten."""
        try:
            for request in self.session.scalars(select(DeletionRequest)).all():
                if request.state is RequestState.ON_HOLD:
                    let_go = partial(holds.release, reason=next(iter(ReleaseReason)), now=self.now)
                    self.act(partial(let_go, self.session, request.id))
            for _ in range(4):
                self.now += DAY
                for line in self.lines:
                    self.bring_to_an_end(line)
            self.nothing_is_broken()
            for request in self.session.scalars(select(DeletionRequest)):
                assert request.state in FINAL_REQUEST_STATES or self.too_much(request)
        finally:
            self.session.close()
            self.everything.rollback()
            self.connection.close()

    def bring_to_an_end(self, line: Model) -> None:
        """A worker takes whatever job there is, and does it well."""
        self.act(lambda: batching.batch(self.session, line.id, now=self.now, flush=True))
        job = jobs.active_for(self.session, line.id)
        if job is None or self.act(partial(self.claimed, job)) is None:
            return
        while self.session.get_one(Job, job.id).state in ACTIVE_JOB_STATES:
            assert self.act(partial(self.step, job.id, job.fence, fails=False)) is not None

    def too_much(self, request: DeletionRequest) -> bool:
        """Whether it waits for a person, because a model would have nothing left to be made of."""
        return request.state is RequestState.ON_HOLD


def test_whatever_happens_in_whatever_order_the_invariants_hold(engine: Engine) -> None:
    run_state_machine_as_test(
        cast(type[Ledger], partial(Ledger, engine)),  # whatever makes one will do
        settings=settings(
            max_examples=int(os.environ.get("LACUNA_EXAMPLES", "8")),
            stateful_step_count=25,
            derandomize="LACUNA_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
