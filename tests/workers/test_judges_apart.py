"""References that judge never steer: neither what is run, nor what is decided, nor who rides."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canary_hardness, references, riders
from app.ledger.references import DESIGN
from app.ledger.tables import Job, ModelVersion
from tests.coins import batched, make_line, nobody, trained
from tests.factories import NOW, claim
from tests.reports import stages
from workers import known_scores, reference_steps, steps
from workers.desk import Desk

STEERING = [f"{number:064x}" for number in range(DESIGN.parts * DESIGN.steering)]
JUDGING = [f"{number:064x}" for number in range(len(STEERING), DESIGN.count)]


@dataclass
class Telling(stages.FakeDesk):
    """A desk that notes what its child is given in each phase."""

    given: dict[str, dict[str, Any]] = field(default_factory=dict)

    def laid(self, name: str, facts: object) -> str:
        return json.dumps(facts)

    def ask(self, phase: str, **given: object) -> dict[str, Any]:
        self.given[phase] = given
        return super().ask(phase, **given)

    def digests(self, phase: str, paper: str) -> list[str]:
        return [row["weights_digest"] for row in json.loads(self.given[phase][paper])]


def say(session: Session, generation: ModelVersion, number: int) -> None:
    """Every reference left everybody out, and says of each sample its own number."""
    references.add(
        session,
        generation,
        number,
        left_out=generation.training_set,
        losses=dict.fromkeys(generation.training_set, float(number)),
        unseen=[0.5],
        weights_digest=f"{number:064x}",
        now=NOW,
    )
    session.flush()


def ridden(session: Session, *, said: int) -> Job:
    """A claimed job of a model with coins, of whose references so many are there."""
    line = make_line(session, route="hamu")
    generation = trained(session, line)
    for number in range(said):
        say(session, generation, number)
    job = batched(session, line, nobody(session, line)[0])
    claim(session, job)
    session.refresh(job, ["model"])
    return job


def carried(session: Session, job: Job) -> Telling:
    desk = Telling(session, job, stages.answers())
    for name in ("begin", "assess", "unlearn", "audit"):
        getattr(steps, name)(cast(Desk, desk))
    return desk


def test_one_set_is_before_whoever_unlearns_and_the_other_before_whoever_audits(
    session: Session,
) -> None:
    desk = carried(session, ridden(session, said=DESIGN.count))

    assert desk.digests("assess", "steering") == STEERING
    assert desk.digests("unlearn", "steering") == STEERING
    assert desk.digests("audit", "judging") == JUDGING
    assert not {"judging", "canaries"} & (desk.given["assess"].keys() | desk.given["unlearn"])
    assert "steering" not in desk.given["audit"]
    assert desk.given["audit"]["unasked"] == ""


@pytest.mark.parametrize("said", [0, DESIGN.count - 1])
def test_an_unfinished_table_judges_nobody_and_the_audit_is_told_how_many_it_takes(
    session: Session, said: int
) -> None:
    desk = carried(session, ridden(session, said=said))

    assert desk.given["audit"]["judging"] is None
    told = f"{said} of the {DESIGN.count} references that it takes have been trained"
    assert desk.given["audit"]["unasked"] == told


def test_samples_that_references_were_not_asked_about_are_named_as_the_reason(
    session: Session,
) -> None:
    job = ridden(session, said=DESIGN.count)
    job.forget_set |= Bitmap([10_000])

    assert "not among those" in known_scores.why_unasked(session, job)


@dataclass
class Building(stages.FakeDesk):
    """A desk whose child has trained a reference that says 7 of every sample."""

    folder: Path = Path()
    counts: dict[str, int] = field(default_factory=dict)

    def floats(self, name: str) -> list[float]:
        return [7.0] * self.counts[name]


@pytest.mark.parametrize("number", [0, len(STEERING) - 1, len(STEERING), DESIGN.count - 1])
def test_only_references_that_steer_say_how_hard_canaries_are(
    session: Session, number: int, tmp_path: Path
) -> None:
    line = make_line(session)
    generation = trained(session, line)
    aside = canary_hardness.bystanders(session, generation)
    job = references.queue(session, line, now=NOW)
    claim(session, job)
    session.refresh(job, ["model"])
    seen = len(generation.training_set)
    (tmp_path / "left_out.json").write_text(json.dumps(list(range(seen))))
    counts = {"unseen": 1, "losses": seen, "bystanders": len(aside)}
    desk = Building(session, job, {}, folder=tmp_path, counts=counts)
    desk.assignment.samples = generation.training_set
    made = {"weights_digest": f"{number:064x}", "seconds": 1.0}

    reference_steps.keep(cast(Desk, desk), session, job, number, made, aside)

    rows = riders.pool(session, generation).rows
    assert {row.hardness for row in rows} == ({None} if DESIGN.judges(number) else {7.0})
