"""One year of one model under one policy, from job to job."""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from app.bitmap import Bitmap
from app.law import Law, dates
from app.ledger import batching, durations
from app.ledger.policy import Policy
from app.ledger.tables import Erasure, ModelVersion
from models.decision import decide
from models.decision_terms import Budgets, Costs, Route
from models.hardness.record import (
    Deficit,
    Entanglement,
    Hardness,
    Reconciliation,
    Shares,
    TargetRule,
)
from models.precedents import Precedent, expected_escalation
from workers.costs import LOOK_BACK, choices

START = datetime(2026, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)
DAYS = 365
PEOPLE, EACH = 20_000, 5
RETRAIN = timedelta(hours=8)  # of the whole training set
UNLEARN, AUDIT, ASSESS = 0.13, 0.05, 0.02  # of a retrain; the first is results/unlearning.txt's
BURSTS = 6.0  # a year
BURST_DAYS, BURST_HOURS = 20.0, 12.0  # so many days' requests more, in so many hours


@dataclass(frozen=True)
class World:
    """How often people ask, and how often an audit sends a job back."""

    per_day: float
    escalated: float


@dataclass
class Line:
    """A model on its way through the year; `unlearned`: its last runs."""

    training_set: Bitmap
    exact: Bitmap  # the last exact version's
    rounds: int = 0
    unlearned: deque[Precedent] = field(default_factory=lambda: deque(maxlen=LOOK_BACK))
    took: deque[timedelta] = field(default_factory=lambda: deque(maxlen=durations.LOOK_BACK))


@dataclass
class Outcome:
    """A year's requests: how long each waited, in days, and what all cost, in retrains."""

    waited: list[float] = field(default_factory=list)
    late: int = 0
    jobs: int = 0
    cost: float = 0.0


def arrivals(draw: random.Random, per_day: float) -> list[datetime]:
    """A year of requests, in order."""
    days = list(poisson(draw, per_day, DAYS))
    for began in poisson(draw, BURSTS / DAYS, DAYS):
        length = BURST_HOURS / 24
        days += [began + at for at in poisson(draw, per_day * BURST_DAYS / length, length)]
    return [START + at * DAY for at in sorted(days)[:PEOPLE]]


def poisson(draw: random.Random, rate: float, end: float) -> Iterator[float]:
    """Points at this rate, up to the end."""
    at = draw.expovariate(rate)
    while at < end:
        yield at
        at += draw.expovariate(rate)


def erasures(draw: random.Random, moments: Sequence[datetime]) -> deque[Erasure]:
    """What each of these moments' people, all of them different, want forgotten."""
    people = draw.sample(range(PEOPLE), len(moments))
    return deque(
        Erasure(
            request_id=UUID(int=person),
            samples=Bitmap(range(person * EACH, (person + 1) * EACH)),
            created_at=at,
            due_at=dates(Law.GDPR, at, zone=ZONE).due_at,
        )
        for person, at in zip(people, moments, strict=True)
    )


def simulate(policy: Policy, world: World, seed: int) -> Outcome:
    """One year under one policy; the same seed brings the same people at the same times."""
    draw, fate = random.Random(seed), random.Random(seed + 1)
    upcoming = erasures(draw, arrivals(draw, world.per_day))
    everyone = Bitmap(range(PEOPLE * EACH))
    line, outcome = Line(everyone, everyone), Outcome()
    waiting: list[Erasure] = []
    now = START
    while upcoming or waiting:
        while upcoming and upcoming[0].created_at <= now:
            waiting.append(upcoming.popleft())
        lasting = durations.predicted(line.took)
        if waiting and batching.time_has_come(waiting, policy, now=now, lasting=lasting):
            taken = batching.fitting(waiting, ModelVersion(training_set=line.training_set))
            time_left = (min(erasure.due_at for erasure in taken) - now) / RETRAIN
            spent = carry_out(
                line, batching.union(taken), policy, fate, world.escalated, time_left=time_left
            )
            line.took.append(spent * RETRAIN)
            now += spent * RETRAIN
            note(outcome, taken, spent, now)
            waiting = waiting[len(taken) :]
        else:
            now = min(next_looks(waiting, upcoming, policy, lasting, now))
    return outcome


def next_looks(
    waiting: Sequence[Erasure],
    upcoming: Sequence[Erasure],
    policy: Policy,
    lasting: timedelta,
    now: datetime,
) -> Iterator[datetime]:
    """When the answer may be another: somebody comes, or the oldest has waited or is nearly due.

    All are under one law, so the oldest is also due first.
    """
    if upcoming:
        yield upcoming[0].created_at
    for oldest in waiting[:1]:
        waited = oldest.created_at + timedelta(seconds=policy.max_wait_seconds)
        nearly_due = batching.latest_start([oldest], policy, lasting=lasting)
        yield from (moment for moment in (waited, nearly_due) if moment > now)


def carry_out(
    line: Line,
    forget: Bitmap,
    policy: Policy,
    fate: random.Random,
    escalated: float,
    *,
    time_left: float,
) -> float:
    """One job, by the route that the service decides on; what it took, in retrains."""
    left = line.training_set - forget
    whole = len(left) / (PEOPLE * EACH)
    share = len(forget) / len(line.training_set)
    route = decide(
        hardness(len(forget), share),
        Costs(
            retrain=whole,
            unlearn=UNLEARN,
            audit=AUDIT,
            assess=ASSESS,
            p_escalate=expected_escalation(line.unlearned, share),
        ),
        Budgets(
            rounds=line.rounds,
            share=len(line.exact - line.training_set) / len(line.exact),
            max_rounds=policy.max_rounds,
            max_share=policy.max_forgotten_share,
        ),
        choices(policy),
        time_left=time_left,
    ).route
    line.training_set = left
    spent = ASSESS + AUDIT
    if route is not Route.RETRAIN:
        sent_back = fate.random() < escalated
        line.unlearned.append(Precedent(share, sent_back))
        line.rounds += 1
        spent += UNLEARN + (whole + AUDIT) * sent_back
        if not sent_back:
            return spent
    else:
        spent += whole
    line.exact, line.rounds = left, 0
    return spent


def hardness(count: int, share: float) -> Hardness:
    """Forgetting is owed and nothing speaks against unlearning: costs and budgets decide."""
    return Hardness(
        shares=Shares(count, share, strata={}, left={}),
        deficit=Deficit(TargetRule.REFERENCE, 1.0, 0.1, 0.9, 1.0, spread=0.1, exposed=0.5),
        reconciliation=Reconciliation(
            0.0, 0.0, None, None, -1.0, 1.0, 0.0, 0.5, {}, 0.0, 0.0, predicted_harm=0.0
        ),
        entanglement=Entanglement(None, None, 0.0),
        memorization=None,
        samples=count,
        sample_passes=0,
        seconds=0.0,
    )


def note(outcome: Outcome, taken: Sequence[Erasure], spent: float, now: datetime) -> None:
    """These people's data are out of use."""
    outcome.waited += [(now - erasure.created_at) / DAY for erasure in taken]
    outcome.late += sum(now > erasure.due_at for erasure in taken)
    outcome.jobs += 1
    outcome.cost += spent
