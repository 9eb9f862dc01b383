"""Trains a generation's references, one after another: whatever else is due comes first."""

import json
from typing import Any

from sqlalchemy.orm import Session

from app import crashing
from app.bitmap import Bitmap
from app.ledger import (
    canary_hardness,
    datasets,
    destroyed,
    endings,
    jobs,
    references,
    versions,
)
from app.ledger.states import JobState
from app.ledger.tables import Job, ModelVersion
from app.ledger.transitions import move
from workers.desk import Desk
from workers.known_scores import generation_of


def train_one(desk: Desk) -> None:
    """training -> training, or publishing after the last one.

    The job is let go where another is due, or where this claim's samples are out of date.
    """
    with desk.held() as (session, job):
        generation = generation_of(session, job)
        if over(session, job, generation):
            give_up(desk, session, job)
            return
        number = references.next_number(session, generation.id)
        if number is None:
            move(session, job, JobState.PUBLISHING, now=desk.station.clock())
            return
        owners = references.owners(session, job.model.dataset_id, generation.training_set)
        present = [ordinal in desk.assignment.samples for ordinal in generation.training_set]
        aside = canary_hardness.bystanders(session, generation)
        names = datasets.ids_of(session, job.model.dataset_id, aside)
    made = desk.ask(
        "reference",
        number=number,
        dealt_by=references.dealt_by(generation),
        parts=references.DESIGN.parts,
        rounds=references.DESIGN.steering + references.DESIGN.judging,
        owners=desk.laid("owners", owners),
        present=desk.laid("present", present),
        bystanders=desk.laid("bystanders", names),
        out=str(desk.folder),
    )
    with desk.held() as (session, job):
        keep(desk, session, job, number, made, aside)
        crashing.at("reference.before_commit")
    crashing.at("reference.after_commit")


def keep(
    desk: Desk, session: Session, job: Job, number: int, made: dict[str, Any], aside: Bitmap
) -> None:
    """Write down what the reference said.

    Its samples may have been forgotten while it was trained: nothing of theirs is kept.
    """
    datasets.lock(session, job.model.dataset_id)  # or a request could be accepted in between
    gone = job.training_set & datasets.tombstones(session, job.model.dataset_id)
    ordinals = list(desk.assignment.samples)
    losses = dict(zip(ordinals, desk.floats("losses"), strict=True))
    places = json.loads((desk.folder / "left_out.json").read_text())
    left_out = Bitmap(ordinals[place] for place in places) - gone
    references.add(
        session,
        generation_of(session, job),
        number,
        left_out=left_out,
        losses={ordinal: loss for ordinal, loss in losses.items() if ordinal not in gone},
        unseen=desk.floats("unseen"),
        weights_digest=made["weights_digest"],
        now=desk.station.clock(),
    )
    if not references.DESIGN.judges(number):  # what judges must not choose who rides
        unseen = dict(zip(aside, desk.floats("bystanders"), strict=True))
        unseen |= {ordinal: losses[ordinal] for ordinal in left_out}
        canary_hardness.hear(session, generation_of(session, job), unseen)
    destroyed.note(job, [made["weights_digest"]])
    job.attempt = 1  # the claim is doing well
    if gone & desk.assignment.samples or jobs.others_wait(session, job, now=desk.station.clock()):
        jobs.let_go(session, job)


def over(session: Session, job: Job, generation: ModelVersion) -> bool:
    """Whether a newer exact version has ended the generation."""
    live = versions.live(session, job.model_id)
    return live is None or versions.last_exact(session, live)[0].id != generation.id


def give_up(desk: Desk, session: Session, job: Job) -> None:
    """The model was trained anew: these references would say nothing of its versions."""
    reason = "the model was trained anew meanwhile"
    endings.call_off(session, job, now=desk.station.clock(), reason=reason)


def finish(desk: Desk) -> None:
    """publishing -> succeeded: the entry names what was trained, scored and destroyed."""
    with desk.held() as (session, job):
        rows = [
            row
            for judging in (False, True)
            for row in references.complete(session, generation_of(session, job), judging=judging)
        ]
        jobs.finish(
            session,
            job,
            JobState.SUCCEEDED,
            now=desk.station.clock(),
            destroyed=[row.weights_digest for row in rows],
        )
