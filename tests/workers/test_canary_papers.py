from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canary_tests, datasets, model_lines, riders
from app.ledger.states import JobState
from app.ledger.tables import Job, Model
from tests.coins import batched, make_line, nobody, run_as, trained
from tests.factories import claim, make_version
from tests.reports import stages
from workers import canary_papers, steps
from workers.desk import Desk


@dataclass
class Listening(stages.FakeDesk):
    """A desk that notes in which order its child is told and asked."""

    heard: list[str] = field(default_factory=list)
    papers: dict[str, Any] = field(default_factory=dict)

    def laid(self, name: str, facts: object) -> str:
        self.heard.append(f"laid {name}")
        self.papers[name] = facts
        return name

    def ask(self, phase: str, **given: object) -> dict[str, Any]:
        self.heard.append(f"asked {phase}")
        return super().ask(phase, **given)


def ridden(session: Session, **policy: Any) -> tuple[Model, Job]:
    """A claimed job that canaries ride with."""
    line = make_line(session, **({"route": "hamu"} | policy))
    trained(session, line)
    job = batched(session, line, nobody(session, line)[0])
    claim(session, job)
    session.refresh(job, ["model"])
    return line, job


def desk_of(session: Session, job: Job, **given: Any) -> Listening:
    return Listening(session, job, stages.answers(**given))


def carry(desk: Listening, *names: str) -> None:
    for name in names:
        getattr(steps, name)(cast(Desk, desk))


def why_none(session: Session, job: Job) -> str:
    session.refresh(job, ["model"])
    desk = desk_of(session, job)
    canary_papers.lay(cast(Desk, desk), session, job)
    assert desk.papers["canaries"]["canaries"] == []
    return str(desk.papers["canaries"]["untested"])


def test_nothing_tells_the_child_who_rides_before_it_has_unlearned(session: Session) -> None:
    _, job = ridden(session)
    desk = desk_of(session, job)

    carry(desk, "begin", "assess", "unlearn", "audit")

    assert desk.heard == ["asked assess", "asked unlearn", "laid canaries", "asked audit"]


def test_the_audit_is_told_who_rides_who_is_out_and_who_stands_by(session: Session) -> None:
    line, job = ridden(session)
    desk = desk_of(session, job)

    carry(desk, "begin", "assess", "unlearn", "audit")

    told = desk.papers["canaries"]["canaries"]
    riding = [name for one in told if one["side"] == "rides" for name in one["samples"]]
    theirs = riders.riding(riders.of_job(session, job.id))
    assert sorted(riding) == sorted(datasets.ids_of(session, line.dataset_id, theirs))
    never = [name for one in told if one["side"] != "rides" for name in one["samples"]]
    known = datasets.ordinals_by_id(session, line.dataset_id, never)
    parent = steps.parent_of(session, job)
    assert not Bitmap(ordinal for ordinal, _ in known.values()) & parent.training_set
    assert {one["side"] for one in told} == {"rides", "out", "bystander"}


def test_coins_of_this_job_are_put_together_with_those_before_and_kept_when_published(
    session: Session,
) -> None:
    _, job = ridden(session)
    kept = stages.audited("hamu", 1)
    coins = {"riders": 6, "never_seen": 6, "p_value": 0.01, "e_value": 5.0}
    audited = kept | {"verdict": "pass", "canaries": kept["canaries"] | coins}

    carry(desk_of(session, job, audit=audited), "begin", "assess", "unlearn", "audit", "publish")

    assert job.audit is not None
    assert (job.audit["canaries"]["wealth"], job.audit["canaries"]["jobs"]) == (5.0, 1)
    assert job.audit["canaries"]["left"] == 30 - 12
    assert canary_tests.wealth(session, job.model_id) == 5.0


def test_a_job_to_be_retrained_is_let_go_once_to_be_claimed_with_the_new_training_set(
    session: Session,
) -> None:
    line, job = ridden(session, route="retrain", canary_share=0.4)
    model_lines.change_policy(session, job.model, {"canary_share": 0.5}, now=stages.NOW)
    job.run = stages.ran() | {"route": "hamu", "retrain_seconds": 6.25}
    run_as(session, job, "hamu")
    second = batched(session, line, nobody(session, line)[1])
    claim(session, second)
    session.refresh(second, ["model"])
    desk, before = desk_of(session, second, route="retrain"), second.training_set

    carry(desk, "begin", "assess", "unlearn")

    assert second.lease_until is None
    assert second.state is JobState.UNLEARNING
    assert second.training_set <= before
    assert second.training_set != before
    assert "asked unlearn" not in desk.heard
    claim(session, second)
    carry(desk, "unlearn")
    assert desk.heard[-1] == "asked unlearn"


def test_weights_that_were_trained_elsewhere_say_why_nothing_is_tested(session: Session) -> None:
    line = make_line(session)
    make_version(session, line)

    why = why_none(session, batched(session, line, "person-00"))

    assert "the weights were trained elsewhere" in why


def test_small_data_say_how_few_people_there_are(session: Session) -> None:
    line = make_line(session, canary_share=0.005)
    trained(session, line)

    assert "fewer than 12 people" in why_none(session, batched(session, line, "person-00"))


def test_a_policy_that_wants_none_is_named(session: Session) -> None:
    line = make_line(session, canary_share=0.0)
    trained(session, line)

    assert why_none(session, batched(session, line, "person-00")) == "the policy wants none"


def test_a_spent_pool_is_named(session: Session) -> None:
    line = make_line(session)
    trained(session, line)
    *first, last = nobody(session, line)[:3]
    for person in first:
        run_as(session, batched(session, line, person), "hamu")

    assert "too few coins are left" in why_none(session, batched(session, line, last))
