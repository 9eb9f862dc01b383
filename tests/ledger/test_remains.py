"""What a request costs does not grow with the history of the models that it finds nothing in."""

import pytest
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import references, remains, training_logs, versions
from app.ledger.states import DerivedState, RequestState
from app.ledger.tables import Dataset, Job, Model, ModelVersion
from tests.factories import (
    DAY,
    NOW,
    grow,
    make_child,
    make_dataset,
    make_job,
    make_model,
    make_request,
    make_version,
    run_through,
)
from tests.ledger.signing import tamper
from tests.statements import noted


@pytest.fixture
def line(session: Session) -> Model:
    """A model with one version, which has seen everybody."""
    made = make_model(session, make_dataset(session, people=map(str, range(20))))
    make_version(session, made)
    return made


def forget_another(session: Session, line: Model, ordinal: int) -> ModelVersion:
    """One more version in use, and one more that was purged."""
    live = versions.live(session, line.id)
    assert live is not None
    made = run_through(session, make_job(session, parent=live, forget=Bitmap([ordinal])))
    versions.purge(session, live, now=NOW + 8 * DAY)
    return made


def cost_of_a_request(
    session: Session, monkeypatch: pytest.MonkeyPatch, person: str
) -> tuple[int, int]:
    """Statements, and sets of samples that were read, for somebody whom no model saw."""
    read = 0

    def from_bytes(data: bytes) -> Bitmap:
        nonlocal read
        read += 1
        return original(data)

    original = Bitmap.from_bytes
    session.flush()
    session.expunge_all()
    with noted(session) as asked, monkeypatch.context() as patched:
        patched.setattr(Bitmap, "from_bytes", from_bytes)
        request = make_request(session, person)
    assert request.state is RequestState.COMPLETED_NO_DATA
    return len(asked), read


def test_a_request_that_no_version_in_use_saw_reads_no_purged_version(
    session: Session, line: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = session.get_one(Dataset, line.dataset_id)
    grow(session, dataset, "new", "newer")
    forget_another(session, line, 0)
    early = cost_of_a_request(session, monkeypatch, "new")

    for ordinal in range(1, 10):
        forget_another(session, session.get_one(Model, line.id), ordinal)

    assert cost_of_a_request(session, monkeypatch, "newer") == early


def test_a_purged_version_of_which_something_is_left_is_looked_at(
    session: Session, line: Model
) -> None:
    (first,) = versions.listed(session, line)
    purged = [first, *(forget_another(session, line, ordinal) for ordinal in range(4))]
    live = purged.pop()
    scored, logged, named, child_of = purged
    child = make_child(session, live)

    before = remains.versions(session, line)
    keep_references(session, scored)
    keep_log(session, logged)
    tamper(session, "UPDATE aliases SET version_id = :id", id=named.id)
    tamper(session, "UPDATE derived_versions SET version_id = :id", id=child_of.id)

    assert list(before) == [live]
    assert list(remains.told(session, line)) == [scored, logged]
    assert list(remains.versions(session, line)) == [scored, logged, named, child_of, live]
    assert child.row.state is DerivedState.IN_USE


def keep_references(session: Session, version: ModelVersion) -> None:
    references.add(
        session,
        version,
        0,
        left_out=Bitmap(),
        losses={},
        unseen=[],
        weights_digest="w",
        now=NOW,
    )


def keep_log(session: Session, version: ModelVersion) -> None:
    job = session.get_one(Job, version.job_id)
    training_logs.keep(session, job, [0.5] * len(job.training_set))
