"""Lays before the child what references said of samples, and what their training noted."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import datasets, references, training_logs, versions
from app.ledger.reference_tables import ReferenceScores
from app.ledger.tables import Job, ModelVersion
from workers.desk import Desk


def lay(desk: Desk, session: Session, job: Job, *, judging: bool) -> str | None:
    """What references said of the job's forget set; None where there is nothing."""
    return lay_of(desk, session, job, job.forget_set, judging=judging)


def lay_of(desk: Desk, session: Session, job: Job, samples: Bitmap, *, judging: bool) -> str | None:
    """A file with one row per reference, in the order of these samples; None where there is none.

    `losses`: a number per sample, null where it is not known. `left_out`: places of the samples
    that the reference never saw. `unseen`: its losses on validation samples.
    """
    generation = generation_of(session, job)
    rows = asked(session, generation, samples, judging=judging)
    if not rows:
        return None
    ordinals = list(samples)
    said = [
        {
            "losses": [
                None if loss != loss else loss
                for loss in references.losses_of(row, generation.training_set, samples)
            ],
            "left_out": [
                place for place, ordinal in enumerate(ordinals) if ordinal in row.left_out
            ],
            "unseen": references.unseen_of(row),
            "weights_digest": row.weights_digest,
        }
        for row in rows
    ]
    return desk.laid("judging" if judging else "steering", said)


def generation_of(session: Session, job: Job) -> ModelVersion:
    """The exact version from which the job's parent descends."""
    assert job.parent_version_id is not None
    return versions.last_exact(session, versions.by_id(session, job.parent_version_id))[0]


def asked(
    session: Session, generation: ModelVersion, samples: Bitmap, *, judging: bool
) -> Sequence[ReferenceScores]:
    """The references that speak of these samples; none before all of their kind are there."""
    if not samples <= generation.training_set:
        return ()
    return references.complete(session, generation, judging=judging)


def why_unasked(session: Session, job: Job) -> str:
    """Why no reference that judges says anything of the forget set; empty where all of them may."""
    generation = generation_of(session, job)
    if not job.forget_set <= generation.training_set:
        return "some of the samples were not among those that references were asked about"
    if references.complete(session, generation, judging=True):
        live = versions.live(session, job.model_id)
        if live is None or job.forget_set <= live.training_set:
            return ""
        return "what references said of people who were forgotten earlier went with them"
    trained, needed = references.have(session, generation.id), references.DESIGN.count
    return f"{trained} of the {needed} references that it takes have been trained"


def lay_confidences(desk: Desk, session: Session, job: Job, samples: Bitmap) -> str | None:
    """A file with the confidence of each sample in the generation's training, by sample id.

    None where the recipe told none, or it is not known of all of these samples.
    """
    generation = generation_of(session, job)
    noted = training_logs.of(session, generation, samples)
    if noted is None:
        return None
    ids = datasets.ids_of(session, job.model.dataset_id, samples)
    return desk.laid("confidences", dict(zip(ids, noted, strict=True)))
