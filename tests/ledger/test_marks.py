"""Of what was forgotten long ago a mark is left: it names nobody, and still keeps it out."""

import hashlib
from itertools import starmap

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import (
    batching,
    datasets,
    imports,
    jobs,
    lineage,
    marks,
    mentions,
    references,
    requests,
    retention,
    versions,
)
from app.ledger.imports import Imported
from app.ledger.lineage import Saw
from app.ledger.log_tables import LedgerEntry
from app.ledger.marks import NoTombstoneKey
from app.ledger.states import JobState
from app.ledger.surroundings import Surroundings
from app.ledger.tables import Dataset, Model, Sample
from app.ledger.tombstone_tables import TombstoneKey
from tests.factories import (
    DAY,
    NOW,
    key_of,
    make_dataset,
    make_job,
    make_model,
    make_request,
    make_version,
    run_through,
)

ADA = Bitmap([0, 1])
LATER = NOW + 731 * DAY


@pytest.fixture
def line(session: Session) -> Model:
    """A model that has forgotten Ada so long ago that her request is shredded."""
    line = make_model(session, restart="exact")
    make_version(session, line)
    request = make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job, route="hamu")
    assert retention.shred(session, request.id, now=LATER)
    session.expire_all()
    return line


def rows(session: Session) -> list[Sample]:
    return list(session.scalars(select(Sample).order_by(Sample.ordinal)))


def dataset_of(session: Session, line: Model) -> Dataset:
    return session.get_one(Dataset, line.dataset_id)


def imported(session: Session, line: Model, *lines: tuple[str, str]) -> Imported:
    """What an import of these samples, each with its person, came to."""
    each = [(n, sample, key_of(person)) for n, (sample, person) in enumerate(lines, start=1)]
    return imports.import_samples(
        session, dataset_of(session, line), starmap(imports.Row, each), now=LATER
    )


def test_a_mark_is_the_digest_of_the_datasets_key_and_the_id(session: Session, line: Model) -> None:
    key = session.get_one(TombstoneKey, line.dataset_id).key

    first, second, third, *_ = rows(session)

    assert (first.sample_id, second.sample_id) == (None, None)
    assert first.mark == hashlib.sha256(key + b"ada-0").digest()
    assert second.mark == hashlib.sha256(key + b"ada-1").digest()
    assert (third.sample_id, third.mark) == ("ben-0", None)


def test_samples_of_one_subject_stay_together_and_nobody_can_tell_whose_they_were(
    session: Session, line: Model
) -> None:
    first, second, *_ = rows(session)

    assert first.subject_key == second.subject_key
    assert first.subject_key != key_of("ada")
    assert datasets.ordinals_of_subject(session, key_of("ada")) == {}
    assert references.owners(session, line.dataset_id, Bitmap(range(6))) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("person", ["ada", "ben"])
def test_an_import_of_it_is_told_and_brings_nothing_back(
    session: Session, line: Model, person: str
) -> None:
    """Whoever it is said to be this time."""
    done = imported(session, line, ("ada-0", person), ("ben-0", "ben"), ("new-0", "ben"))

    assert done == Imported(new=1, known=2, forgotten=1)
    assert datasets.tombstones(session, line.dataset_id) == ADA
    assert rows(session)[0].sample_id is None
    assert dataset_of(session, line).size == 11


def test_what_is_forgotten_and_still_has_its_name_is_told_as_well(
    session: Session, line: Model
) -> None:
    make_request(session, "ben")

    done = imported(session, line, ("ben-0", "ben"), ("eve-0", "eve"))

    assert done == Imported(new=0, known=2, forgotten=1)


def test_what_saw_it_is_still_found_by_its_id(session: Session, line: Model) -> None:
    seen = lineage.of_sample(session, line, "ada-0").seen

    assert [(each.version.number, each.saw) for each in seen] == [
        (1, Saw.TRAINED_ON),
        (2, Saw.DESCENDED),
    ]


def test_the_database_refuses_a_mark_that_is_on_no_tombstone(session: Session, line: Model) -> None:
    with pytest.raises(DBAPIError, match="would have no tombstone"), session.begin_nested():
        datasets.unbury(session, line.dataset_id, ADA)

    ben = Bitmap([2, 3])
    with pytest.raises(DBAPIError, match="no tombstone"), session.begin_nested():
        marks.take_names(session, line.dataset_id, ben, now=NOW)


def test_a_job_that_would_have_to_name_it_again_starts_at_the_live_version(
    session: Session, line: Model
) -> None:
    """Under `restart: exact`, what was forgotten since the last training is forgotten again."""
    make_request(session, "ben", now=LATER)

    job = batching.batch(session, line.id, now=LATER, flush=True)

    assert job is not None
    assert job.parent_version_id == versions.get(session, line, 2).id
    assert job.forget_set == Bitmap([2, 3])


def test_names_are_kept_while_a_job_under_way_is_to_forget_them(session: Session) -> None:
    line = make_model(session)
    parent = make_version(session, line)
    request = make_request(session, "ada")
    carried_out = batching.batch(session, line.id, now=NOW, flush=True)
    assert carried_out is not None
    run_through(session, carried_out)
    late = make_job(session, parent=parent, forget=ADA)

    early = retention.shred(session, request.id, now=LATER)
    jobs.finish(session, late, JobState.CANCELLED, now=LATER)
    again = retention.shred(session, request.id, now=LATER)

    assert (early, again) == (False, True)
    assert marks.nameless(session, line.dataset_id) == ADA


def test_the_samples_of_a_request_that_was_taken_back_keep_their_names(session: Session) -> None:
    line = make_model(session)
    make_version(session, line)
    request = make_request(session, "ada")
    requests.cancel(session, request.id, now=NOW, reason="asked to")

    retention.shred(session, request.id, now=LATER)

    assert marks.nameless(session, line.dataset_id) == Bitmap()


def test_without_the_key_a_mark_stands_for_nothing_any_more(session: Session, line: Model) -> None:
    """The act is entered; versions keep what their training sets are, nobody can say of whom."""
    marks.destroy_key(session, dataset_of(session, line), now=LATER)

    assert imported(session, line, ("ada-0", "ada")) == Imported(new=1, known=0, forgotten=0)
    assert datasets.tombstones(session, line.dataset_id) == ADA
    assert "dataset.tombstone_key_destroyed" in session.scalars(select(LedgerEntry.kind)).all()
    with pytest.raises(NoTombstoneKey):
        marks.destroy_key(session, dataset_of(session, line), now=LATER)


def test_a_log_that_names_it_is_still_found(session: Session, line: Model) -> None:
    imported(session, line, ("portrait-of-ada", "ada"))
    datasets.bury(session, line.dataset_id, Bitmap([10]), now=LATER)
    marks.take_names(session, line.dataset_id, Bitmap([10]), now=LATER)
    around = Surroundings(
        keys=(),
        stored=lambda _: True,
        key_of=key_of,
        now=LATER,
        told=[("worker.log", "trained on portrait-of-ada, and on portrait-of-ben")],
    )

    found = list(mentions.named(session, around))

    assert found == ["worker.log names a sample that was forgotten"]


def test_marks_of_two_datasets_cannot_be_compared(session: Session, line: Model) -> None:
    voices = make_dataset(session, "voices", people=["ada"])

    marks.take_names(session, voices.id, Bitmap(), now=LATER)

    assert len(set(session.scalars(select(TombstoneKey.key)))) == 2
